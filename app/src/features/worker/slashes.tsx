import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Act } from '@/shared/act';
import { slashCasesOfQuery, tokenBalanceQuery } from '@/shared/chain';
import { config } from '@/shared/config';
import { duration, exact, hex, IO, percent } from '@/shared/format';
import { useNow } from '@/shared/live';
import { SLASH_TONES, slashCause, slashState, WRONG_CELL } from '@/shared/slashes';
import { Amount, Badge, Card, Empty, Facts, Hash, Loaded, Skeleton, Time } from '@/shared/ui';
import type { ConnectedWallet } from '@/shared/wallet';
import { type Provider, ProviderPage } from './frame';
import { appeal, finalise } from './transactions';

export function SlashesPage() {
  return (
    <ProviderPage
      title="Slash cases"
      lead="Penalties held in escrow: why, until when you can contest them, and how they ended."
    >
      {(provider, wallet) => <Cases provider={provider} wallet={wallet} />}
    </ProviderPage>
  );
}

function Cases({ provider, wallet }: { provider: Provider; wallet: ConnectedWallet }) {
  const cases = useQuery(slashCasesOfQuery(provider.address));
  const balance = useQuery(tokenBalanceQuery(wallet.address, config().io_mint));
  const now = useNow();
  return (
    <Loaded query={cases} skeleton={<Skeleton className="h-64" />}>
      {(rows) =>
        rows.length === 0 ? (
          <Empty title="No open slash cases">
            {provider.data.slashCases > 0n
              ? `${provider.data.slashCases} were opened in all; those that ended are closed.`
              : 'None was ever opened. A device that lets a deadline pass, or whose result a quorum rejects, gets one.'}
          </Empty>
        ) : (
          <div className="flex flex-col gap-4">
            {rows
              .toSorted((a, b) => Number(b.data.number - a.data.number))
              .map(({ address, data }) => {
                const state = slashState(data.state);
                const untilAppeal = Number(data.appealUntil) - now;
                const overdue =
                  (state === 'open' && untilAppeal <= 0) || (state === 'appealed' && Number(data.decideUntil) <= now);
                const poor = balance.data !== undefined && balance.data < data.appealBond;
                return (
                  <Card
                    key={address}
                    title={
                      <span className="flex items-center gap-2">
                        Case {data.number.toString()} <Badge tone={SLASH_TONES[state]}>{state}</Badge>
                      </span>
                    }
                  >
                    <div className="grid gap-6 lg:grid-cols-2">
                      <Facts
                        rows={[
                          ['Why', slashCause(data.cause)],
                          [
                            'Job',
                            <Link
                              key="j"
                              to="/explorer/jobs/$job"
                              params={{ job: data.job }}
                              className="link font-mono"
                            >
                              {data.job.slice(0, 8)}…
                            </Link>,
                          ],
                          ['Penalty', <Amount key="p" base={data.amount} unit={IO} />],
                          data.coPart > 0n && ['Of the pool', <Amount key="c" base={data.coPart} unit={IO} />],
                          [
                            'Evidence',
                            <Hash
                              key="e"
                              value={hex(data.evidence as Uint8Array)}
                              head={8}
                              tail={8}
                              label="evidence"
                            />,
                          ],
                          [
                            'If upheld',
                            `${percent(data.renterBps)} to the renter, ${percent(data.challengerBps)} to whoever disputed, the rest burns`,
                          ],
                          ['Opened', <Time key="o" at={data.openedAt} />],
                          data.decidedAt > 0n && ['Decided', <Time key="d" at={data.decidedAt} />],
                        ]}
                      />
                      <div className="grid min-w-0 content-start gap-3 text-sm">
                        {state === 'open' && untilAppeal > 0 && (
                          <>
                            <p>
                              You can appeal for another <strong>{duration(untilAppeal)}</strong>. It takes a bond of{' '}
                              <Amount base={data.appealBond} unit={IO} />, which comes back with the penalty if oracles
                              that did not accuse decide for you, or do not decide within{' '}
                              {duration(data.decisionSeconds)}. If you lose, it burns.
                            </p>
                            <p className="text-muted">
                              Look at what each oracle signed first:{' '}
                              <code className="break-all font-mono">io slash evidence {address}</code>
                            </p>
                            <Act wallet={wallet} disabled={poor} build={() => appeal(wallet.address, address)}>
                              Appeal with {exact(data.appealBond, IO)}
                            </Act>
                            {poor && (
                              <p className="text-bad">
                                The wallet holds {exact(balance.data ?? 0n, IO)}: too little for the bond.
                              </p>
                            )}
                          </>
                        )}
                        {state === 'appealed' && !overdue && (
                          <p>
                            Oracles that did not accuse decide until <Time at={data.decideUntil} />. If they do not,{' '}
                            {data.cause === WRONG_CELL
                              ? 'it stands: the program itself found the cell wrong.'
                              : 'you win.'}
                          </p>
                        )}
                        {overdue && (
                          <>
                            <p>
                              {state === 'open'
                                ? 'The time to appeal is over.'
                                : data.cause === WRONG_CELL
                                  ? 'Nobody decided in time: what the program itself found wrong stands.'
                                  : 'Nobody decided in time: the appeal succeeds.'}
                            </p>
                            <Act
                              wallet={wallet}
                              variant="outline"
                              build={() => finalise(address, provider.address, data.device)}
                            >
                              Finish the case
                            </Act>
                          </>
                        )}
                        {state === 'upheld' && (
                          <p>
                            It was upheld; <Amount base={data.burned} unit={IO} /> burned. The case closes when the
                            shares are delivered.
                          </p>
                        )}
                        {state === 'returned' && (
                          <p>It was returned: penalty and bond go back where they were taken from.</p>
                        )}
                      </div>
                    </div>
                  </Card>
                );
              })}
          </div>
        )
      }
    </Loaded>
  );
}
