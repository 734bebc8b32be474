/** A process that loads the function app in the folder it is given, says how long that took from its own start, and ends. */
import { collect } from '../src/local/host/collect.ts';

const { registrations } = await collect({ directory: process.argv[2] ?? '', entries: 'functions/*.js' });
console.log(JSON.stringify({ loadedMs: performance.now(), functions: registrations.length }));
process.exit(0);
