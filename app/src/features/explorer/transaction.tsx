import type { Signature } from '@solana/kit';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { explain, rpc } from '@/shared/chain';
import { count, SOL, shorten } from '@/shared/format';
import { Amount, Badge, Card, Empty, Facts, Hash, Loaded, Notice, Page, Skeleton, Stat, Time } from '@/shared/ui';
import type { ChainEvent, Field, Instruction, RawTransaction } from './decode';
import { SearchLink } from './links';
import { ExplorerTabs } from './tabs';

/** Parsers of every instruction are heavy: they come with the first transaction that is looked at. */
const transactionQuery = (signature: string) =>
  queryOptions({
    queryKey: ['chain', 'transaction', signature],
    queryFn: async ({ signal }) => {
      const answer = await rpc()
        .getTransaction(signature as Signature, {
          encoding: 'json',
          commitment: 'confirmed',
          maxSupportedTransactionVersion: 0,
        })
        .send({ abortSignal: signal });
      if (!answer) return null;
      const raw = answer as unknown as RawTransaction;
      const { instructionsOf, eventsOf } = await import('./decode');
      return { raw, instructions: instructionsOf(raw), events: eventsOf(raw.meta?.logMessages ?? []) };
    },
    staleTime: 60_000,
    refetchInterval: (query) => (query.state.data === null ? 3_000 : false),
  });

export function TransactionPage() {
  const { signature } = useParams({ from: '/explorer/transactions/$signature' });
  const transaction = useQuery(transactionQuery(signature));
  return (
    <Page
      title={`Transaction ${shorten(signature, 6, 6)}`}
      lead={<Hash value={signature} head={88} tail={0} label="signature" />}
    >
      <ExplorerTabs />
      <Loaded query={transaction} skeleton={<Skeleton className="h-96" />}>
        {(read) =>
          read ? (
            <Shown {...read} />
          ) : (
            <Empty title="The node has no such transaction">
              It keeps recent ones only, and looks again by itself in case it is still on its way.
            </Empty>
          )
        }
      </Loaded>
    </Page>
  );
}

function Shown({
  raw,
  instructions,
  events,
}: {
  raw: RawTransaction;
  instructions: Instruction[];
  events: ChainEvent[];
}) {
  const { meta, transaction } = raw;
  const failure = meta?.err ? explain(meta.err, meta.logMessages ?? []) : null;
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-2 gap-3 md:grid-cols-5">
        <Stat label="Result">
          <Badge tone={failure ? 'bad' : 'good'}>{failure ? 'failed' : 'done'}</Badge>
        </Stat>
        <Stat label="When">{raw.blockTime === null ? '—' : <Time at={raw.blockTime} />}</Stat>
        <Stat label="Slot">{count(raw.slot)}</Stat>
        <Stat label="Fee">{meta ? <Amount base={meta.fee} unit={SOL} /> : '—'}</Stat>
        <Stat label="Compute units">
          {meta?.computeUnitsConsumed === undefined ? '—' : count(meta.computeUnitsConsumed)}
        </Stat>
      </div>
      {failure && <Notice tone="warn">{failure.message}</Notice>}
      <Card title="Signed by">
        <ul className="grid gap-1 text-sm">
          {transaction.message.accountKeys.slice(0, transaction.message.header.numRequiredSignatures).map((key, i) => (
            <li key={key}>
              <SearchLink id={key} /> {i === 0 && <span className="text-muted">pays the fee</span>}
            </li>
          ))}
        </ul>
      </Card>
      <Card title="Instructions">
        <ol className="grid gap-3">
          {instructions.map((instruction, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: instructions have no name but their place
            <li key={i}>
              <InstructionView
                instruction={instruction}
                number={`${i + 1}`}
                open={isOurs(instruction) || instruction.inner.some(isOurs)}
              />
            </li>
          ))}
        </ol>
      </Card>
      <Card title="Events">
        {events.length === 0 ? (
          <p className="text-muted text-sm">None of this network’s.</p>
        ) : (
          <ul className="grid gap-3">
            {events.map((event, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: events have no name but their place
              <li key={i}>
                <details className="rounded-lg border border-line px-3 py-2 text-sm">
                  <summary>
                    <span className="font-medium">{event.name}</span>
                  </summary>
                  <div className="mt-3">
                    {event.key && (
                      <p className="mb-2">
                        <span className="text-muted">{event.key.name}</span> <SearchLink id={event.key.address} />
                      </p>
                    )}
                    <Fields fields={event.fields} />
                  </div>
                </details>
              </li>
            ))}
          </ul>
        )}
      </Card>
      {meta?.logMessages && (
        <details className="rounded-xl border border-line bg-raised p-4 text-sm">
          <summary className="font-semibold">Log</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
          <pre tabIndex={0} className="mt-3 overflow-x-auto font-mono text-xs">
            {meta.logMessages.join('\n')}
          </pre>
        </details>
      )}
    </div>
  );
}

function Fields({ fields }: { fields: Field[] }) {
  if (fields.length === 0) return <p className="text-muted">No arguments.</p>;
  return (
    <Facts
      rows={fields.map(
        ({ name, value, id }) =>
          [name, id ? <Hash key={name} value={value} head={8} tail={8} label={name} /> : value] as const,
      )}
    />
  );
}

const isOurs = ({ programName }: Instruction) => programName === 'IO Network';

function InstructionView({ instruction, number, open }: { instruction: Instruction; number: string; open?: boolean }) {
  return (
    <details open={open} className="rounded-lg border border-line px-3 py-2 text-sm">
      <summary>
        <span className="text-muted tabular-nums">{number}</span>{' '}
        <span className="font-medium">{instruction.name}</span>{' '}
        <span className="text-muted">{instruction.programName}</span>
      </summary>
      <div className="mt-3 grid gap-4 lg:grid-cols-2">
        <div>
          <h3 className="mb-2 font-medium text-muted text-xs">Arguments</h3>
          <Fields fields={instruction.fields} />
        </div>
        <div>
          <h3 className="mb-2 font-medium text-muted text-xs">Accounts</h3>
          <Facts
            rows={instruction.accounts.map(
              ({ name, address, signer, writable }, i) =>
                [
                  name.startsWith('Account ') ? name : `${i + 1} ${name}`,
                  <span key={name} className="flex flex-wrap items-center gap-2">
                    <SearchLink id={address} />
                    {signer && <Badge tone="info">signs</Badge>}
                    {writable && <Badge>changes</Badge>}
                  </span>,
                ] as const,
            )}
          />
        </div>
      </div>
      {instruction.inner.length > 0 && (
        <ol className="mt-3 grid gap-2 border-line border-l-2 pl-3">
          {instruction.inner.map((inner, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: instructions have no name but their place
            <li key={i}>
              <InstructionView instruction={inner} number={`${number}.${i + 1}`} />
            </li>
          ))}
        </ol>
      )}
    </details>
  );
}
