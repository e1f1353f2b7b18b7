import { CannotUse, cannotUseFile } from '../cannot-use.ts';
import { StoreUnavailable } from '../errors.ts';

/** The settings that an address comes from. */
interface AddressNames {
  readonly host: string;
  readonly port: string;
}

export const SERVER_NAMES: AddressNames = { host: 'COUNTERSIGN_HOST', port: 'COUNTERSIGN_PORT' };
export const METRICS_NAMES: AddressNames = {
  host: 'COUNTERSIGN_METRICS_HOST',
  port: 'COUNTERSIGN_METRICS_PORT',
};

/**
 * Why nothing can be listened on, for whoever runs the server.
 *
 * @returns the error itself where it is of another kind
 */
export function cannotListen(
  error: unknown,
  { host, port }: { readonly host: string; readonly port: number },
  names: AddressNames,
): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const because = (name: string, what: string, mend: string) =>
    new CannotUse(`${address} (${name})`, what, mend, { cause: error });
  switch (code) {
    case 'EADDRINUSE':
      return because(names.port, 'another program listens there', 'end it, or choose another port');
    case 'EACCES':
      return because(
        names.port,
        'the user that runs this may not listen there',
        'choose a port from 1024 on, or give the process CAP_NET_BIND_SERVICE',
      );
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return because(
        names.host,
        'this machine has no such address',
        'choose one that it has, or 0.0.0.0 for all',
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return because(names.host, 'the host name has no address', 'choose an address, or a name that has one');
    default:
      return error;
  }
}

/**
 * Why a server does not start, for whoever runs it.
 *
 * @returns the error itself where it is nothing that stands in the way: then it is ours, and its stack is of use
 */
export function cannotStart(error: unknown): unknown {
  if (error instanceof CannotUse) return error;
  if (error instanceof StoreUnavailable)
    return new CannotUse(
      'The store (COUNTERSIGN_STORE)',
      error.message,
      'see that it runs, and start again',
      {
        cause: error,
      },
    );
  return cannotUseFile(error) ?? error;
}
