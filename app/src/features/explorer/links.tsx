/** Links to pages by id. */
import { Link } from '@tanstack/react-router';
import { shorten } from '@/shared/format';

const CLASS = 'link font-mono text-[0.92em]';

export function DeviceLink({ id, whole }: { id: string; whole?: boolean }) {
  return (
    <Link to="/explorer/devices/$device" params={{ device: id }} className={CLASS} data-tip={id}>
      {whole ? id : shorten(id)}
    </Link>
  );
}
export function ProviderLink({ id }: { id: string }) {
  return (
    <Link to="/explorer/providers/$provider" params={{ provider: id }} className={CLASS} data-tip={id}>
      {shorten(id)}
    </Link>
  );
}
export function JobLink({ id }: { id: string }) {
  return (
    <Link to="/explorer/jobs/$job" params={{ job: id }} className={CLASS} data-tip={id}>
      {shorten(id)}
    </Link>
  );
}
export function OracleLink({ id }: { id: string }) {
  return (
    <Link to="/explorer/oracles/$oracle" params={{ oracle: id }} className={CLASS} data-tip={id}>
      {shorten(id)}
    </Link>
  );
}
export function TransactionLink({ id }: { id: string }) {
  return (
    <Link to="/explorer/transactions/$signature" params={{ signature: id }} className={CLASS} data-tip={id}>
      {shorten(id, 6, 6)}
    </Link>
  );
}
export function EpochLink({ id }: { id: bigint | number }) {
  return (
    <Link to="/explorer/epochs/$epoch" params={{ epoch: id.toString() }} className="link tabular-nums">
      {id.toString()}
    </Link>
  );
}
export function SearchLink({ id }: { id: string }) {
  return (
    <Link to="/explorer/search" search={{ q: id }} className={CLASS} data-tip={id}>
      {shorten(id)}
    </Link>
  );
}
