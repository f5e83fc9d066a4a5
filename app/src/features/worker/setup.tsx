import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Act } from '@/shared/act';
import { bases } from '@/shared/api';
import { classesQuery, className, networkQuery, tokenBalanceQuery } from '@/shared/chain';
import { config } from '@/shared/config';
import { exact, IO } from '@/shared/format';
import { Badge, Button, Card, Page, SelectField, TextField } from '@/shared/ui';
import { useRestoring } from '@/shared/wallet';
import { commandFor, NO_WS } from './command';
import { useProvider, WorkerTabs } from './frame';
import { bondNeeded } from './health';
import { register } from './transactions';

/** From nothing to a running device: two signatures here, one command there. */
export function SetupPage() {
  const { wallet, account } = useProvider();
  const restoring = useRestoring();
  const classes = useQuery(classesQuery());
  const network = useQuery(networkQuery());
  const balance = useQuery(tokenBalanceQuery(wallet?.address ?? null, config().io_mint));
  const [kind, setKind] = useState(0);
  const [region, setRegion] = useState('');
  const [copied, setCopied] = useState(false);
  const chosen = classes.data?.find(({ data }) => data.id === kind);
  const bond = chosen && network.data ? bondNeeded(network.data.data.minBond, chosen.data.multiplierE2) : undefined;
  const provider = account.data;
  const free = provider ? provider.data.staked + provider.data.coAssets - provider.data.committed : 0n;
  const enough = bond !== undefined && free >= bond;
  const goodRegion = region === '' || /^[A-Z]{2}$/.test(region);
  const oracles = bases().map((base) => base || location.origin);
  const command =
    bond === undefined
      ? null
      : commandFor({
          classId: kind,
          bond,
          region: goodRegion ? region : '',
          oracles,
          rpcUrl: config().rpc_url ?? null,
          wsUrl: config().ws_url ?? null,
        });
  const step = (done: boolean | undefined) =>
    done ? <Badge tone="good">done</Badge> : <Badge tone="warn">to do</Badge>;
  return (
    <Page title="Set up a device" lead="Register, stake, then run one command on the machine that has the hardware.">
      <WorkerTabs />
      <ol className="flex max-w-4xl flex-col gap-4">
        <li>
          <Card title="1. A provider account" actions={step(Boolean(provider))}>
            {restoring || (wallet && account.isPending) ? (
              <p className="text-muted text-sm">Reading…</p>
            ) : !wallet ? (
              <p className="text-sm">
                Connect the wallet that will own the stake and the earnings. It needs some SOL for fees.
              </p>
            ) : provider ? (
              <p className="text-sm">This wallet is a provider.</p>
            ) : (
              <>
                <p className="mb-3 text-sm">It costs the rent of two small accounts. Earnings go to this wallet.</p>
                <Act wallet={wallet} disabled={account.isPending} build={() => register(wallet.address)}>
                  Register this wallet
                </Act>
              </>
            )}
          </Card>
        </li>
        <li>
          <Card title="2. Stake for the bond" actions={step(provider ? enough : false)}>
            <div className="grid gap-4 sm:grid-cols-2">
              <SelectField
                label="What you offer"
                value={kind}
                onChange={(event) => setKind(Number(event.target.value))}
              >
                {(classes.data ?? [])
                  .toSorted((a, b) => a.data.id - b.data.id)
                  .map(({ data }) => (
                    <option key={data.id} value={data.id}>
                      {className(data)}
                    </option>
                  ))}
              </SelectField>
              <TextField
                label="Country, two letters"
                placeholder="DE"
                maxLength={2}
                value={region}
                error={goodRegion ? null : 'two capital letters'}
                hint="Oracles attest it; renters filter by it. May stay empty."
                onChange={(event) => setRegion(event.target.value.toUpperCase())}
              />
            </div>
            <p className="mt-3 text-sm">
              {bond === undefined ? (
                'Reading what the class needs…'
              ) : (
                <>
                  It binds at least <strong>{exact(bond, IO)}</strong>; you have {exact(free, IO)} of free stake
                  {balance.data !== undefined && ` and ${exact(balance.data, IO)} in the wallet`}.{' '}
                  {!enough && (
                    <Link to="/worker/stake" className="link">
                      Stake more
                    </Link>
                  )}
                </>
              )}
            </p>
          </Card>
        </li>
        <li>
          <Card
            title="3. One command on the device"
            actions={
              command && (
                <Button
                  onClick={() =>
                    navigator.clipboard.writeText(command).then(() => {
                      setCopied(true);
                      setTimeout(() => setCopied(false), 1_500);
                    })
                  }
                >
                  {copied ? 'Copied' : 'Copy'}
                </Button>
              )
            }
          >
            <p className="mb-3 text-sm">
              With <code className="font-mono">io</code> installed there (<code className="font-mono">./x install</code>{' '}
              in a checkout of IO Network builds it and puts it into <code className="font-mono">~/.local/bin</code>),
              and <code className="font-mono">authority.json</code> the key file of this wallet. It makes the operator’s
              key (a hot key that can withdraw nothing), registers the device, writes{' '}
              <code className="font-mono">worker.toml</code>, and starts the worker; send the operator some SOL when it
              asks.
            </p>
            <pre
              // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
              tabIndex={0}
              className="min-h-80 overflow-x-auto rounded-lg border border-line bg-paper p-3 font-mono text-xs"
              data-testid="command"
            >
              {command ?? 'Reading…'}
            </pre>
            {!config().ws_url && (
              <p className="mt-3 text-sm text-warn">
                This oracle does not say where the chain’s WebSocket is: put the address of your RPC provider’s in place
                of <code className="font-mono">{NO_WS}</code>.
              </p>
            )}
            <p className="mt-3 text-muted text-sm">
              Asks are for 1,000 passages, 10⁹ fuel and 1,000 s of a lease, in base units (1 IO is 100,000,000). Change
              them as you like, later with <code className="font-mono">io device price</code>. Then the device shows up
              under{' '}
              <Link to="/worker" className="link">
                Devices
              </Link>{' '}
              by itself, with what is still wrong and how to fix it.
            </p>
          </Card>
        </li>
      </ol>
    </Page>
  );
}
