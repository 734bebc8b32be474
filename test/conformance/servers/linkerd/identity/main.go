// Command identity is Linkerd's own identity controller, without the rest of its controllers.
package main

import (
	"os"

	"github.com/linkerd/linkerd2/controller/cmd/identity"
)

func main() { identity.Main(os.Args[1:]) }
