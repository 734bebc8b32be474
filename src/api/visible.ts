/** What of a whole a caller may see: everything, the services of a mesh, or those of a team. */
import type { App } from '../app.ts';
import { type Caller, permits } from './access.ts';

export interface Visible {
  mesh(mesh: string): boolean;
  service(of: { readonly mesh: string; readonly service: string }): boolean;
  /** Of a stream of the journal: `service/<mesh>/<name>` or `<kind>/<mesh>`. */
  stream(stream: string): boolean;
}

export async function visibleTo(caller: Caller, app: Pick<App, 'meshes'>): Promise<Visible> {
  const mesh = (name: string): boolean => permits(caller, { role: 'Reader', mesh: name });
  const everywhere = permits(caller, { role: 'Reader' });
  const teams = new Map<string, string | undefined>();
  if (!everywhere) {
    for (const adopted of await app.meshes()) {
      for (const { name, team } of adopted.services) teams.set(`${adopted.mesh}/${name}`, team);
    }
  }
  const service: Visible['service'] = (of) =>
    everywhere || permits(caller, { role: 'Reader', mesh: of.mesh, team: teams.get(`${of.mesh}/${of.service}`) });
  return {
    mesh,
    service,
    stream(stream) {
      const [kind, ofMesh = '', name = ''] = stream.split('/');
      return kind === 'service' ? service({ mesh: ofMesh, service: name }) : mesh(ofMesh);
    },
  };
}
