/**
 * What happened, in words: a notice becomes a title, one or two sentences that say what, to whom, why, what comes next and
 * by when, and the facts beside them. Pure; every topic that a decision can name has words here, or this does not compile.
 */
import { z } from 'zod';
import type { CardTopic } from '../rollouts/draft.ts';
import type { MeshCardTopic } from '../spec/adoption.ts';
import { formatDuration } from '../spec/duration.ts';
import type { TrustCardTopic } from '../trust/draft.ts';
import type { Notice } from './channel.ts';
import { byWhen, closed, LATEST_INSTANT, reason, utc } from './sentences.ts';
import { TRUST_TELLINGS } from './trust-words.ts';

export type Topic = CardTopic | MeshCardTopic | TrustCardTopic;

/** `good`: as hoped. `info`: on its way. `warning`: waits, and someone may want to look. `urgent`: something is wrong. */
export type Tone = 'good' | 'info' | 'warning' | 'urgent';

export interface Words {
  readonly title: string;
  readonly tone: Tone;
  readonly sentence: string;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}

/** Cards are stored until they are sent: those of an older or newer version may lack what this one writes, and are told all the same. */
const absent = () => undefined;
const text = z.string().min(1).optional().catch(absent);
const number = z.number().optional().catch(absent);
const instant = z.number().min(-LATEST_INSTANT).max(LATEST_INSTANT).optional().catch(absent);
const dataSchema = z.object({
  version: z.string().min(1).catch('a version'),
  text,
  until: instant,
  weight: z.number().catch(0),
  stable: text,
  phase: text,
  promoted: z.boolean().catch(false),
  step: number,
  steps: number,
  holdMs: number,
  nextWeight: number,
  what: z.string().min(1).catch('Something that arrived'),
  trustDomain: text,
  cause: text,
  standing: text,
});

/** What the sentences are made of. */
export interface Told extends z.infer<typeof dataSchema> {
  readonly mesh: string;
  /** The service; the mesh, where it is about no service. */
  readonly subject: string;
  readonly topic: string;
  readonly at: number;
  /** The version that has, or gets back, the rest of the traffic. */
  readonly stableName: string;
}

export type Telling = Omit<Words, 'facts'>;

const TELLINGS: { readonly [T in Topic]: (told: Told) => Telling } = {
  established: ({ subject, mesh, version }) => ({
    title: `${subject}: ${version} serves`,
    tone: 'good',
    sentence: `${version} is the first version of ${subject} in ${mesh} and gets all of its traffic.`,
  }),
  started: (told) => ({
    title: `${told.subject}: ${told.version} starts with ${told.weight} %`,
    tone: 'info',
    sentence: `${split(told)} ${nextAfterStep(told)}`,
  }),
  step: (told) => ({
    title: `${told.subject}: ${told.version} gets ${told.weight} %`,
    tone: 'info',
    sentence: `${split(told)} ${nextAfterStep(told)}`,
  }),
  delayed: ({ subject, version, text, what, until, at }) => ({
    title: `${subject}: ${version} waits to begin`,
    tone: 'warning',
    sentence:
      (text
        ? `${version} of ${subject} gets no traffic while an alert stands: ${closed(text)}`
        : `${version} of ${subject} gets no traffic until it is seen ready on ${what}.`) +
      ` It begins by itself as soon as that ends${byWhen(' or is given up at', until, at)}.`,
  }),
  held: ({ subject, version, text, weight, stableName, until, at }) => ({
    title: `${subject}: ${version} is held at ${weight} %`,
    tone: 'warning',
    sentence:
      `${version} of ${subject} does not go on from ${weight} %: ${closed(text ?? 'something speaks against it')}` +
      ` It goes on by itself when that ends${byWhen(`, or back to ${stableName} at`, until, at)}.`,
  }),
  returned: ({ subject, version, text, stableName, until, at }) => ({
    title: `${subject}: ${version} is taken back`,
    tone: 'urgent',
    sentence:
      `${version} of ${subject} is taken back and ${stableName} gets all traffic${reason(text)}` +
      ` It is tried again only if someone insists on it${byWhen('; if a data plane still sends it traffic at', until, at, ', you will be told')}.`,
  }),
  blocked: ({ subject, version, text, weight, stableName, until, at }) => ({
    title: `${subject}: ${version} cannot be taken back`,
    tone: 'urgent',
    sentence:
      `${version} of ${subject} must be taken back${reason(text)} But ${stableName} is known to have no ready endpoint, so ${version} keeps ${weight} %` +
      ` until it has one; bring up ${stableName}, or abort with force${byWhen('. You will be told again at', until, at)}.`,
  }),
  succeeded: ({ subject, mesh, version }) => ({
    title: `${subject}: ${version} is the stable version`,
    tone: 'good',
    sentence: `${version} came through its rollout and gets all traffic of ${subject} in ${mesh}; nothing more is to come.`,
  }),
  abandoned: ({ subject, version, text, stableName }) => ({
    title: `${subject}: ${version} is given up`,
    tone: 'warning',
    sentence: `${version} of ${subject} is given up before it had any traffic${reason(text)} ${stableName} keeps all of it.`,
  }),
  stuck: ({ subject, version, text, phase, weight, stableName, until, at }) => {
    if (phase === 'returning') {
      return {
        title: `${subject}: taking ${version} back is not done`,
        tone: 'urgent',
        sentence: `${version} of ${subject} is being taken back, but not everywhere. ${closed(text ?? 'A data plane is behind')} It is tried on and on; abort with force to wait no longer${byWhen('; you will be told again at', until, at)}.`,
      };
    }
    if (phase === 'blocked') {
      return {
        title: `${subject}: ${version} cannot be taken back`,
        tone: 'urgent',
        sentence: `${version} of ${subject} must be taken back and keeps ${weight} % until ${stableName} has a ready endpoint; and beside that: ${closed(text ?? 'a data plane does not serve it')} See to both${byWhen('; you will be told again at', until, at)}.`,
      };
    }
    return {
      title: `${subject}: ${version} is stuck`,
      tone: 'urgent',
      sentence: `${version} of ${subject} does not get on: ${closed(text ?? 'a data plane does not serve it')}${byWhen(` Unless that ends it goes back to ${stableName} at`, until, at, '.')}`,
    };
  },
  alert: ({ subject, version, text }) => ({
    title: `${subject}: an alert fired`,
    tone: 'warning',
    sentence: `${closed(text ?? 'An alert fired')} Nothing is being rolled out, so ${version} of ${subject} keeps its traffic; a new version waits until the alert ends.`,
  }),
  'kept-back': ({ subject, version, what }) => ({
    title: `${subject}: ${what} is given nothing yet`,
    tone: 'warning',
    sentence:
      `${version} of ${subject} is to get traffic on ${what}, but is known to have no ready endpoint there. So nothing is written and requests go where they went;` +
      ` it is written by itself as soon as ${version} is ready. See whether its workloads run, and carry the label of their version.`,
  }),
  drifted: ({ subject, what, text }) => ({
    title: `${subject}: ${what} drifted`,
    tone: 'warning',
    sentence: `${what} does not have what was decided for ${subject}. ${closed(text ?? 'Ask `meshwright drift` what differs')}`,
  }),
  'drift-gone': ({ subject, what }) => ({
    title: `${subject}: the drift on ${what} is gone`,
    tone: 'good',
    sentence: `${what} has what was decided for ${subject} again.`,
  }),
  unmatched: ({ mesh, what, text }) => ({
    title: `${mesh}: what arrived fits no service`,
    tone: 'warning',
    sentence: `${what} fits no service of ${mesh}, so nothing is done.${text ? ` ${closed(text)}` : ''} Name its rule, dimension or target under "alerts" of a service; until then it is parked.`,
  }),
  'silent-endpoints': ({ mesh, what, text }) => ({
    title: `${mesh}: endpoints of ${what} are silent`,
    tone: 'warning',
    sentence: `${closed(text ?? 'Leases have run out')} They stay in service until they are deregistered or others come; see whether what registers them still runs.`,
  }),
  ...TRUST_TELLINGS,
};

const hasTelling = (topic: string): topic is Topic => Object.hasOwn(TELLINGS, topic);

export function words(notice: Notice): Words {
  const { mesh, service, topic, at } = notice;
  const data = dataSchema.parse(notice.data);
  const told: Told = { ...data, mesh, subject: service ?? mesh, topic, at, stableName: data.stable ?? 'the stable version' };
  const telling = hasTelling(topic) ? TELLINGS[topic](told) : unknownTopic(told);
  return { ...telling, facts: facts(told, service) };
}

function unknownTopic({ subject, topic, text }: Told): Telling {
  return { title: `${subject}: ${topic}`, tone: 'info', sentence: closed(text ?? 'Something was decided; the journal says what') };
}

function facts({ mesh, weight, stable, version, step, steps, at, until }: Told, service: string | undefined): Words['facts'] {
  const all: { name: string; value: string | undefined }[] = [
    { name: 'Service', value: service },
    { name: 'Mesh', value: mesh },
    { name: 'Traffic', value: service === undefined ? undefined : traffic(version, weight, stable) },
    { name: 'Step', value: step && steps ? `${step} of ${steps}` : undefined },
    { name: 'Decided', value: utc(at) },
    { name: 'Deadline', value: until === undefined ? undefined : utc(until) },
  ];
  return all.flatMap(({ name, value }) => (value === undefined ? [] : [{ name, value }]));
}

function traffic(version: string, weight: number, stable: string | undefined): string {
  return stable === undefined || stable === version ? `${version} ${weight} %` : `${version} ${weight} %, ${stable} ${100 - weight} %`;
}

function split({ subject, mesh, version, weight, stableName }: Told): string {
  const rest = weight < 100 ? `, ${stableName} keeps ${100 - weight} %` : '';
  return `${version} of ${subject} in ${mesh} gets ${weight} % of the traffic${rest}.`;
}

function nextAfterStep({ promoted, holdMs, nextWeight, stableName, until, at }: Told): string {
  const next = nextWeight === undefined ? 'becomes the stable version' : `goes on to ${nextWeight} %`;
  const served = holdMs ? `has served it for ${formatDuration(Math.round(holdMs))}` : 'serves it';
  const how = promoted
    ? 'It was promoted by hand and becomes the stable version once every data plane serves it'
    : `It ${next} once every data plane ${served}`;
  return `${how}${byWhen(`; if that is not seen by`, until, at, `, it goes back to ${stableName}`)}.`;
}
