/** Telling the xds server that a mesh's model moved, so that it need not wait for its next look. Nobody depends on it. */
const TIMEOUT_MS = 1_000;

/** `url` is the xds server's own HTTP door; without one, nobody is told. */
export function xdsPoke(url: string | undefined): (mesh: string, sequence: number) => void {
  if (url === undefined) return () => {};
  return (mesh, sequence) => {
    const target = new URL(`/poke/${encodeURIComponent(mesh)}/${sequence}`, url);
    // The server looks at the model each second by itself: a lost poke is a late one.
    fetch(target, { method: 'POST', signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
      (response) => response.body?.cancel(),
      () => {},
    );
  };
}
