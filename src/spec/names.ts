/**
 * The names that specs, events and people use. Mesh, service and data plane names become parts of hosts and partition keys
 * (RFC 1123 labels); versions become values of Kubernetes labels, so they may also hold `_` and upper case.
 */
import { z } from 'zod';

const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
export const DOMAIN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const VERSION = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;

export const nameSchema = z
  .string()
  .max(63)
  .regex(NAME, { error: 'use lower-case letters, digits and `-`, beginning and ending with a letter or digit' });

/** Of a trust domain: the only name that holds dots, since `a.b` + `c` and `a` + `b.c` must not be one host. */
export const domainSchema = z
  .string()
  .max(253)
  .regex(DOMAIN, { error: 'use lower-case letters, digits and `-`; up to 63 between dots, beginning and ending with a letter or digit' });

export const versionSchema = z
  .string()
  .max(63)
  .regex(VERSION, { error: 'use letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit' });

/** A label's key without or with a prefix: `version`, `app.kubernetes.io/version`. */
export const labelKeySchema = z
  .string()
  .max(317)
  .regex(LABEL_KEY, { error: 'use a label key such as `version` or `app.kubernetes.io/version`' });

/** True when `text` can be the name of a version (and so the value of a label). */
export function isVersion(text: string): boolean {
  return text.length <= 63 && VERSION.test(text);
}

/** True when `text` can be the name of a mesh, a service or a namespace. */
export function isName(text: string): boolean {
  return text.length <= 63 && NAME.test(text);
}
