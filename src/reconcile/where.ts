/** A service on one of its data planes: what is kept of it there (drift, dry runs, what was brought) is one document each. */
import { documentIdOf } from '../journal/hash.ts';

export interface Where {
  readonly mesh: string;
  readonly service: string;
  readonly dataPlane: string;
}

/** Its document's id in a partition of the mesh. */
export const whereId = ({ service, dataPlane }: Omit<Where, 'mesh'>): string => documentIdOf(JSON.stringify([service, dataPlane]));
