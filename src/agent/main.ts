/** The agent program: its settings come from the environment, as a unit or a pod names them. Exit codes: 0 stopped, 1 it could not begin, 2 a setting is wrong. */
import { agentProcess } from './process.ts';

process.exitCode = await agentProcess(process.env, process.argv.includes('--once'));
