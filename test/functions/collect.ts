/** Prints what the built functions register; a process of its own, because the library keeps its registrations for good. */
import { collect } from '../../src/local/host/collect.ts';

const { registrations } = await collect({ directory: process.argv[2] ?? 'dist', entries: 'functions/*.js' });
console.log(JSON.stringify(registrations));
process.exit(0);
