/** Regular expressions for meshes that have no other way to say a text: read alike by RE2 and by Rust, searched for or matched whole. */

/** Matches this text and nothing else. */
export const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** Matches the whole value, also where the mesh looks for the expression anywhere in it, or takes the first alternative that fits. */
export const whole = (expression: string): string => `^(?:${expression})$`;

/** Matches what begins with this text. */
export const beginsWith = (text: string): string => whole(`${literally(text)}.*`);
