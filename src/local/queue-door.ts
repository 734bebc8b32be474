/** How the local adapters reach the local host's queues: both live in one process, and the host opens the door when it has started. */

type Enqueue = (stream: string, at: number) => void;

let enqueue: Enqueue = () => {};

export function openQueueDoor(to: Enqueue): void {
  enqueue = to;
}

/** Lost while no host runs: the sweep finds what is due. */
export function alarm(stream: string, at: number): void {
  enqueue(stream, at);
}
