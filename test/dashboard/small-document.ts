/** As much of a DOM as the page uses, in memory; it counts what is written, and has no way to read HTML. */
import type { PageDocument, PageElement } from '../../src/dashboard/browser.ts';

export class SmallElement implements PageElement {
  readonly tagName: string;
  readonly children: SmallElement[] = [];
  readonly attributes = new Map<string, string>();
  readonly document: SmallDocument;
  parent: SmallElement | undefined;
  #text = '';

  constructor(document: SmallDocument, tagName: string) {
    this.document = document;
    this.tagName = tagName;
  }

  get textContent(): string {
    return this.children.length > 0 ? this.children.map((child) => child.textContent).join('') : this.#text;
  }
  set textContent(text: string | null) {
    this.document.writes += 1;
    this.children.length = 0;
    this.#text = text ?? '';
  }
  get lastElementChild(): SmallElement | null {
    return this.children.at(-1) ?? null;
  }
  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null;
  }
  setAttribute(name: string, value: string): void {
    this.document.writes += 1;
    this.attributes.set(name, value);
  }
  appendChild(child: SmallElement): void {
    this.document.writes += 1;
    child.parent = this;
    this.children.push(child);
  }
  replaceChild(child: SmallElement, old: SmallElement): void {
    this.document.writes += 1;
    child.parent = this;
    this.children.splice(this.children.indexOf(old), 1, child);
  }
  remove(): void {
    this.document.writes += 1;
    this.parent?.children.splice(this.parent.children.indexOf(this), 1);
  }
  scrollIntoView(): void {
    this.document.scrolledTo = this.getAttribute('id') ?? '';
  }

  addEventListener(_name: 'click', listener: () => void): void {
    this.click = listener;
  }
  click: () => void = () => {};

  /** Itself and all below it, in order. */
  all(): SmallElement[] {
    return [this, ...this.children.flatMap((child) => child.all())];
  }
  find(selected: string): SmallElement[] {
    return this.all().filter((each) => (each.getAttribute('class') ?? '').split(' ').includes(selected));
  }
}

export class SmallDocument implements PageDocument {
  hidden = false;
  writes = 0;
  scrolledTo = '';
  readonly body = new SmallElement(this, 'body');

  /** With an element for each id that `html` gives one. */
  constructor(html: string) {
    for (const [, id] of html.matchAll(/<(?:div|button) id="([^"]+)"/g)) {
      const place = new SmallElement(this, 'div');
      place.setAttribute('id', id ?? '');
      this.body.appendChild(place);
    }
  }
  getElementById(id: string): SmallElement | null {
    return this.body.all().find((each) => each.getAttribute('id') === id) ?? null;
  }
  createElementNS(_namespace: string, tag: string): SmallElement {
    return new SmallElement(this, tag);
  }
}
