/**
 * The certificates API: made with a policy, pending until signed, merged, read, changed and listed. Scenarios and answers:
 * https://learn.microsoft.com/azure/key-vault/certificates/create-certificate-scenarios. A pending certificate's key has no address.
 */
import { randomUUID, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { type Answer, type Asked, Problem, page } from './answers.ts';
import {
  attributesSchema,
  type Certificate,
  type CertificateVersion,
  type Pending,
  type Policy,
  policySchema,
  readBody,
  showCertificate,
  showCertificateItem,
  showPending,
  showPolicy,
  showUnfinished,
  tagsSchema,
} from './objects.ts';
import { isOver, makePrivateKey, readImported, requestOver, selfSigned } from './x509.ts';

const createSchema = z.object({ policy: policySchema, attributes: attributesSchema, tags: tagsSchema });
const importSchema = z.object({ value: z.string(), policy: policySchema.optional(), tags: tagsSchema });
const mergeSchema = z.object({ x5c: z.array(z.string()).min(1) });
const updateSchema = z.object({ attributes: attributesSchema, tags: tagsSchema });
/** Of a policy, what is changed here. */
const policyUpdateSchema = z.object({ key_props: z.object({ exportable: z.boolean() }).optional() });
const NAME = /^[0-9a-zA-Z-]{1,127}$/;

export const newVersion = () => randomUUID().replaceAll('-', '');

export class Certificates {
  readonly byName = new Map<string, Certificate>();
  readonly deleted = new Map<string, Certificate>();
  readonly #now: () => Date;
  readonly #selfTakesLooks: number;

  constructor(now: () => Date, selfTakesLooks: number) {
    this.#now = now;
    this.#selfTakesLooks = selfTakesLooks;
  }

  find(name: string): Certificate {
    const found = this.byName.get(name);
    if (found) return found;
    throw new Problem(404, 'CertificateNotFound', `A certificate with (name/id) ${name} was not found in this key vault.`);
  }

  version(name: string, version: string | undefined): CertificateVersion | undefined {
    const { versions } = this.find(name);
    if (version === undefined) return versions.at(-1);
    const found = versions.find((each) => each.version === version);
    if (found) return found;
    throw new Problem(404, 'CertificateNotFound', `A certificate with (name/id) ${name}/${version} was not found in this key vault.`);
  }

  list(asked: Asked, largest: number): Answer {
    const all = [...this.byName.values()].flatMap(({ name, versions }) => {
      const newest = versions.at(-1);
      return newest ? [showCertificateItem(asked.base, name, newest)] : [];
    });
    return page(asked, all, largest);
  }

  listVersions(asked: Asked, name: string, largest: number): Answer {
    const versions = this.byName.get(name)?.versions ?? [];
    return page(
      asked,
      versions.map((each) => showCertificateItem(asked.base, `${name}/${each.version}`, each)),
      largest,
    );
  }

  get({ base }: Asked, name: string, version: string | undefined): Answer {
    const certificate = this.find(name);
    const found = this.version(name, version);
    if (found) return { status: 200, body: showCertificate(base, certificate, found) };
    if (certificate.pending) return { status: 200, body: showUnfinished(base, certificate, certificate.pending) };
    throw new Problem(404, 'CertificateNotFound', `A certificate with (name/id) ${name} was not found in this key vault.`);
  }

  policy({ base }: Asked, name: string): Answer {
    return { status: 200, body: showPolicy(base, this.find(name)) };
  }

  updatePolicy(asked: Asked, name: string): Answer {
    const { key_props: keyProps = {} } = readBody(policyUpdateSchema, asked.body);
    const certificate = this.find(name);
    const { policy } = certificate;
    this.byName.set(name, { ...certificate, policy: { ...policy, key_props: { ...policy.key_props, ...keyProps } } });
    return this.policy(asked, name);
  }

  async create({ base, body }: Asked, name: string): Promise<Answer> {
    const { policy, tags = {} } = readBody(createSchema, body);
    this.#checkFree(name);
    const issuer = policy.issuer.name ?? 'Unknown';
    if (!['Self', 'Unknown'].includes(issuer))
      throw new Problem(400, 'BadParameter', `A certificate issuer with name ${issuer} was not found.`);
    if (issuer === 'Unknown' && policy.lifetime_actions?.some(({ action }) => action.action_type === 'AutoRenew'))
      throw new Problem(400, 'BadParameter', 'Lifetime action AutoRenew is not supported for issuer Unknown.');
    const versions = this.byName.get(name)?.versions ?? [];
    const reused = policy.key_props.reuse_key ? versions.at(-1)?.privateKey : undefined;
    const privateKey = reused ?? makePrivateKey(policy.key_props);
    const at = this.#seconds();
    const pending: Pending = {
      version: newVersion(),
      requestId: newVersion(),
      privateKey,
      csr: await requestOver(privateKey, policy.x509_props.subject ?? `CN=${name}`),
      issuer,
      policy,
      tags,
      status: 'inProgress',
      looksLeft: this.#selfTakesLooks,
      enabled: true,
      created: at,
      updated: at,
    };
    this.#checkFree(name);
    this.byName.set(name, { name, policy, versions, pending });
    return { status: 202, body: showPending(base, name, pending), headers: { location: `${base}/certificates/${name}/pending` } };
  }

  async pending({ base }: Asked, name: string): Promise<Answer> {
    const pending = this.#pending(name);
    if (pending.issuer === 'Self' && pending.status === 'inProgress') {
      if (pending.looksLeft > 1) this.#keepPending(name, { ...pending, looksLeft: pending.looksLeft - 1 });
      else await this.#signItself(name, pending);
    }
    return { status: 200, body: showPending(base, name, this.#pending(name)) };
  }

  deletePending({ base }: Asked, name: string): Answer {
    const pending = this.#pending(name);
    const { pending: _, ...rest } = this.find(name);
    if (rest.versions.length === 0) this.byName.delete(name);
    else this.byName.set(name, rest);
    return { status: 200, body: showPending(base, name, pending) };
  }

  merge({ base, body }: Asked, name: string): Answer {
    const { x5c } = readBody(mergeSchema, body);
    const pending = this.byName.has(name) ? this.#pending(name) : undefined;
    if (pending?.status !== 'inProgress')
      throw new Problem(404, 'PendingCertificateNotFound', `A pending certificate with name ${name} was not found in this key vault.`);
    if (pending.issuer !== 'Unknown') {
      const message = `Merge is forbidden on pending object created with issuer : ${pending.issuer} while it is in progess.`;
      throw new Problem(403, 'Forbidden', message);
    }
    const cer = Buffer.from(x5c[0] ?? '', 'base64');
    if (!isOver(parsed(cer), pending.privateKey))
      throw new Problem(400, 'BadParameter', 'Public key of the x509 certificate and the pending certificate do not match.');
    this.#complete(name, pending, cer);
    return { status: 201, body: showCertificate(base, this.find(name), this.#newest(name)) };
  }

  import({ base, body }: Asked, name: string): Answer {
    const { value, policy, tags = {} } = readBody(importSchema, body);
    this.#checkFree(name);
    const { certificate, privateKey } = readImported(value);
    const at = this.#seconds();
    const kept: Policy = policySchema.parse({ secret_props: { contentType: 'application/x-pem-file' }, key_props: {}, ...policy });
    const versions = this.byName.get(name)?.versions ?? [];
    const cer = certificate.raw;
    const made = { version: newVersion(), privateKey, tags, enabled: true, created: at, updated: at, cer, ...validity(cer) };
    this.byName.set(name, { name, policy: kept, versions: [...versions, { ...made, exportable: kept.key_props.exportable }] });
    return { status: 200, body: showCertificate(base, this.find(name), this.#newest(name)) };
  }

  update({ base, body }: Asked, name: string, version: string | undefined): Answer {
    const { attributes, tags } = readBody(updateSchema, body);
    const certificate = this.find(name);
    const before = this.version(name, version);
    if (!before) throw new Problem(404, 'CertificateNotFound', `A certificate with (name/id) ${name} was not found in this key vault.`);
    if (attributes?.enabled === undefined && tags === undefined) throw new Problem(400, 'BadParameter', 'Nothing to update.');
    const after = { ...before, enabled: attributes?.enabled ?? before.enabled, tags: tags ?? before.tags, updated: this.#seconds() };
    this.byName.set(name, { ...certificate, versions: certificate.versions.map((each) => (each === before ? after : each)) });
    return { status: 200, body: showCertificate(base, this.find(name), after) };
  }

  delete({ base }: Asked, name: string): Answer {
    const certificate = this.find(name);
    this.byName.delete(name);
    this.deleted.set(name, certificate);
    const at = this.#seconds();
    const shown = showCertificate(base, certificate, newestOf(certificate));
    const recoveryId = `${base}/deletedcertificates/${name}`;
    return { status: 200, body: { ...shown, recoveryId, deletedDate: at, scheduledPurgeDate: at + 90 * 86_400 } };
  }

  #pending(name: string): Pending {
    const { pending } = this.find(name);
    if (pending) return pending;
    throw new Problem(404, 'PendingCertificateNotFound', `A pending certificate with name ${name} was not found in this key vault.`);
  }

  #keepPending(name: string, pending: Pending): void {
    this.byName.set(name, { ...this.find(name), pending });
  }

  async #signItself(name: string, pending: Pending): Promise<void> {
    const { subject = `CN=${name}`, validity_months: months } = pending.policy.x509_props;
    const cer = await selfSigned(pending.privateKey, subject, months, this.#now());
    if (this.#pending(name) === pending) this.#complete(name, pending, cer);
  }

  #complete(name: string, pending: Pending, cer: Buffer): void {
    const { version, privateKey, tags, enabled, policy } = pending;
    const at = this.#seconds();
    const { exportable } = policy.key_props;
    const made = { version, privateKey, tags, enabled, created: at, updated: at, cer, exportable, ...validity(cer) };
    const { versions } = this.find(name);
    this.byName.set(name, { name, policy, versions: [...versions, made], pending: { ...pending, status: 'completed' } });
  }

  #newest(name: string): CertificateVersion {
    return newestOf(this.find(name));
  }

  /** @throws Problem 400 and 409: a name it does not take, one that was deleted, one that is pending. */
  #checkFree(name: string): void {
    if (!NAME.test(name)) throw new Problem(400, 'BadParameter', `The request URI contains an invalid name: ${name}`);
    if (this.deleted.has(name)) {
      const message = `Certificate ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the certificate can only be recovered or purged.`;
      throw new Problem(409, 'Conflict', message, 'ObjectIsDeletedButRecoverable');
    }
    if (this.byName.get(name)?.pending?.status === 'inProgress') {
      const message =
        "A new key vault certificate can not be created or imported while a pending key vault certificate's status is inProgress.";
      throw new Problem(409, 'Conflict', message);
    }
  }

  #seconds(): number {
    return Math.floor(this.#now().getTime() / 1000);
  }
}

function newestOf({ name, versions }: Certificate): CertificateVersion {
  const newest = versions.at(-1);
  if (newest) return newest;
  throw new Problem(404, 'CertificateNotFound', `A certificate with (name/id) ${name} was not found in this key vault.`);
}

function parsed(cer: Buffer): X509Certificate {
  try {
    return new X509Certificate(cer);
  } catch {
    throw new Problem(400, 'BadParameter', 'The specified X.509 certificate content can not be read.');
  }
}

function validity(cer: Buffer): { readonly nbf: number; readonly exp: number } {
  const { validFromDate, validToDate } = new X509Certificate(cer);
  return { nbf: validFromDate.getTime() / 1000, exp: validToDate.getTime() / 1000 };
}
