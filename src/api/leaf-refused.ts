/** How a leaf, or a token for one, is refused over HTTP. */
import type { LeafRefusal } from '../issuing.ts';
import { type HttpAnswer, problem } from './problem.ts';

/** 403 for what is not in the table: asking again changes nothing. */
const STATUS: Readonly<Partial<Record<LeafRefusal['reason'], number>>> = {
  NoCertificates: 404,
  NotASigningRequest: 400,
  UnsupportedKey: 422,
  WeakKey: 422,
  TokenMalformed: 400,
  TokenIssuerUnknown: 401,
  TokenSignatureWrong: 401,
  TokenExpired: 401,
  TokenNotYetValid: 401,
  TokenForAnotherAudience: 401,
  TokenUnknown: 401,
  JoinTokenUsed: 401,
  NotEstablished: 409,
  IssuerEnding: 409,
};
export const leafRefused = ({ reason, message }: LeafRefusal): HttpAnswer => problem(STATUS[reason] ?? 403, reason, message);
