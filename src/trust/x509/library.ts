/** The X.509 library, after what it is wired with. Both take some 20 ms to load: whoever needs certificates imports them when it does. */
import 'reflect-metadata';

export * as x509 from '@peculiar/x509';
