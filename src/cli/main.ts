#!/usr/bin/env node
/** The entry of `meshwright`: the real terminal, environment and clock around the program. */
import { text } from 'node:stream/consumers';
import { run } from './program.ts';
import { harmless } from './terminal.ts';

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await run(process.argv.slice(2), {
  out: (lines) => process.stdout.write(`${harmless(lines)}\n`),
  err: (lines) => process.stderr.write(`${harmless(lines)}\n`),
  clear: () => process.stdout.write('\u001b[H\u001b[2J'),
  isScreen: process.stdout.isTTY === true,
  now: Date.now,
  readIn: () => text(process.stdin),
  environment: process.env,
  workingDirectory: process.cwd(),
});
