/** The xds program without a setting that it needs, or with a wrong one: one sentence names it, and nothing is started. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readXdsSettings } from '../../src/xds/settings.ts';

const GOOD = { MESHWRIGHT_STATE_FILE: 'state.db', MESHWRIGHT_NODE_TOKEN_FILE: 'token', MESHWRIGHT_DESCRIPTORS: 'envoy.binpb' };
const problemsOf = (settings: Readonly<Record<string, string>>): readonly string[] => {
  const read = readXdsSettings(settings);
  return read.ok ? [] : read.problems;
};

describe('the settings of the xds program', () => {
  it('have ports by default', () => {
    expect(readXdsSettings(GOOD)).toMatchObject({ settings: { MESHWRIGHT_XDS_PORT: 18_000, MESHWRIGHT_XDS_DOOR_PORT: 18_001 } });
  });

  it.each<readonly [Readonly<Record<string, string>>, string]>([
    [{ MESHWRIGHT_STATE_FILE: '' }, 'The setting MESHWRIGHT_STATE_FILE is not set: give the SQLite file that the functions write.'],
    [{ MESHWRIGHT_NODE_TOKEN_FILE: '' }, "The setting MESHWRIGHT_NODE_TOKEN_FILE is not set: give the file with the nodes' token."],
    [
      { MESHWRIGHT_DESCRIPTORS: '' },
      'The setting MESHWRIGHT_DESCRIPTORS is not set: give the descriptors that the build makes (xds/envoy.binpb).',
    ],
    [{ MESHWRIGHT_XDS_PORT: '70000' }, 'The setting MESHWRIGHT_XDS_PORT is wrong: give a port from 0 to 65535.'],
    [{ MESHWRIGHT_XDS_DOOR_PORT: '1e3' }, 'The setting MESHWRIGHT_XDS_DOOR_PORT is wrong: give a port from 0 to 65535.'],
    [
      { MESHWRIGHT_URL: 'functions:7071' },
      'The setting MESHWRIGHT_URL is wrong: give an address of the functions that begins with https:// or http://.',
    ],
  ])('%o', (wrong, sentence) => {
    expect(problemsOf({ ...GOOD, ...wrong })).toEqual([sentence]);
  });

  it('are all missed at once by the program, which ends with 2', () => {
    const main = join(import.meta.dirname, '../../src/xds/main.ts');
    const { status, stderr } = spawnSync(process.execPath, ['--no-warnings', main], { env: {}, encoding: 'utf8' });
    expect(stderr.trim().split('\n')).toEqual(problemsOf({}));
    expect(status).toBe(2);
  });
});
