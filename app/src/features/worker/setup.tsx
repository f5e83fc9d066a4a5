import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { Act } from '@/shared/act';
import { bases } from '@/shared/api';
import {
  accountQuery,
  classesQuery,
  className,
  type Kinds,
  networkQuery,
  pda,
  type Read,
  solBalanceQuery,
  tokenBalanceQuery,
} from '@/shared/chain';
import { config } from '@/shared/config';
import { exact, hex, IO, SOL } from '@/shared/format';
import { Amount, Badge, Button, Card, Facts, Hash, Loaded, Page, SelectField, Skeleton, TextField } from '@/shared/ui';
import { useRestoring } from '@/shared/wallet';
import { commandFor, NO_WS } from './command';
import { useProvider, WorkerTabs } from './frame';
import { bondNeeded } from './health';
import { bondOf, type Machine, machineOf } from './machine';
import { registerDevice, setOperator } from './transactions';

/** What an operator is given for fees, lamports: enough for some thousand transactions. */
const FOR_FEES = 50_000_000n;

/** What a device is registered with. */
interface Terms {
  classId: number;
  /** Base units; undefined while the chain is read, null while what was typed is none. */
  bond: bigint | null | undefined;
}

/** From nothing to a running device: one command there, one signature here. */
export function SetupPage() {
  const search = useSearch({ from: '/worker/setup' });
  const classes = useQuery(classesQuery());
  const network = useQuery(networkQuery());
  const [classId, setClassId] = useState(0);
  const [typed, setTyped] = useState('');
  const [region, setRegion] = useState('');
  const chosen = classes.data?.find(({ data }) => data.id === classId);
  const least = chosen && network.data ? bondNeeded(network.data.data.minBond, chosen.data.multiplierE2) : undefined;
  const { bond, error } = least === undefined ? { bond: undefined, error: null } : bondOf(typed, least);
  const goodRegion = region === '' || /^[A-Z]{2}$/.test(region);
  return (
    <Page title="Set up a device" lead="One command on the machine that has the hardware, one signature here.">
      <WorkerTabs />
      <ol className="flex max-w-4xl flex-col gap-4">
        <li>
          <Card title="1. What you offer">
            <div className="grid gap-4 sm:grid-cols-3">
              <SelectField label="Class" value={classId} onChange={(event) => setClassId(Number(event.target.value))}>
                {(classes.data ?? [])
                  .toSorted((a, b) => a.data.id - b.data.id)
                  .map(({ data }) => (
                    <option key={data.id} value={data.id}>
                      {className(data)}
                    </option>
                  ))}
              </SelectField>
              <TextField
                label="Bond, IO"
                inputMode="decimal"
                placeholder={least === undefined ? '…' : exact(least, IO)}
                value={typed}
                error={error}
                hint="At least what stands there. A larger one takes larger jobs, and more at once."
                onChange={(event) => setTyped(event.target.value)}
              />
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
          </Card>
        </li>
        <li>
          <Command region={goodRegion ? region : ''} />
        </li>
        <li>
          <Registration
            key={`${search.hardware} ${search.operator}`}
            hardware={search.hardware ?? ''}
            operator={search.operator ?? ''}
            terms={{ classId, bond }}
          />
        </li>
      </ol>
    </Page>
  );
}

function Command({ region }: { region: string }) {
  const [copied, setCopied] = useState(false);
  const command = commandFor({
    app: location.origin,
    region,
    oracles: bases().map((base) => base || location.origin),
    rpcUrl: config().rpc_url ?? null,
    wsUrl: config().ws_url ?? null,
  });
  return (
    <Card
      title="2. One command on the device"
      actions={
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
      }
    >
      <p className="mb-3 text-sm">
        With <code className="font-mono">io</code> installed there (<code className="font-mono">./x install</code> in a
        checkout of IO Network builds it and puts it into <code className="font-mono">~/.local/bin</code>). It makes the
        operator’s key (a hot key that can withdraw nothing), writes <code className="font-mono">worker.toml</code>, and
        starts the worker, which prints a link to this page and waits. Your wallet’s key never comes there.
      </p>
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        tabIndex={0}
        className="overflow-x-auto rounded-lg border border-line bg-paper p-3 font-mono text-xs"
        data-testid="command"
      >
        {command}
      </pre>
      {!config().ws_url && (
        <p className="mt-3 text-sm text-warn">
          This oracle does not say where the chain’s WebSocket is: put the address of your RPC provider’s in place of{' '}
          <code className="font-mono">{NO_WS}</code>.
        </p>
      )}
      <p className="mt-3 text-muted text-sm">
        Asks are for 1,000 passages, 10⁹ fuel and 1,000 s of a lease, in base units (1 IO is 100,000,000). Change them
        as you like, later with <code className="font-mono">io device price</code>.
      </p>
    </Card>
  );
}

/** `hardware` and `operator` are the link’s; empty where the page was opened without. */
function Registration({ terms, ...link }: { hardware: string; operator: string; terms: Terms }) {
  const [typed, setTyped] = useState(link);
  const { machine, errors } = machineOf(typed.hardware, typed.operator);
  const change = (field: 'hardware' | 'operator') => (event: { target: { value: string } }) =>
    setTyped({ ...typed, [field]: event.target.value.trim() });
  const linked = machineOf(link.hardware, link.operator).machine !== null;
  return (
    <Card title="3. One signature">
      {!linked && (
        <>
          <p className="mb-3 text-sm">
            The worker prints a link: open it in the browser that has your wallet, and this page knows the machine. Or
            copy out of it what it names.
          </p>
          <div className="mb-3 grid gap-4 sm:grid-cols-2">
            <TextField
              label="Hardware"
              spellCheck={false}
              autoComplete="off"
              className="font-mono"
              value={typed.hardware}
              error={errors.hardware}
              hint="Behind “hardware=”, 64 digits."
              onChange={change('hardware')}
            />
            <TextField
              label="Operator"
              spellCheck={false}
              autoComplete="off"
              className="font-mono"
              value={typed.operator}
              error={errors.operator}
              hint="Behind “operator=”, an address."
              onChange={change('operator')}
            />
          </div>
        </>
      )}
      {machine && <Device machine={machine} terms={terms} />}
    </Card>
  );
}

/** What is registered at a machine's address, or how to register it. */
function Device({ machine, terms }: { machine: Machine; terms: Terms }) {
  const { wallet, at: mine, account } = useProvider();
  const restoring = useRestoring();
  const at = useQuery({
    queryKey: ['chain', 'deviceOf', hex(machine.hardware)],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => pda.device(machine.hardware),
  });
  const device = useQuery({ ...accountQuery('device', at.data ?? ''), enabled: at.data !== undefined });
  return (
    <>
      <Facts
        rows={[
          ['Device', at.data ? <Hash key="d" value={at.data} head={44} tail={0} label="device" /> : '…'],
          ['Operator', <Hash key="o" value={machine.operator} head={44} tail={0} label="operator" />],
        ]}
      />
      <div className="mt-4 text-sm">
        <Loaded query={device} skeleton={<Skeleton className="h-24" />}>
          {(read) =>
            read ? (
              <Registered device={read} machine={machine} mine={mine === read.data.provider} />
            ) : restoring || (wallet && account.isPending) ? (
              <Skeleton className="h-24" />
            ) : (
              <Register machine={machine} terms={terms} />
            )
          }
        </Loaded>
      </div>
    </>
  );
}

function Registered({
  device: { address, data },
  machine,
  mine,
}: {
  device: Read<Kinds['device']>;
  machine: Machine;
  mine: boolean;
}) {
  const { wallet } = useProvider();
  const page = (words: string) => (
    <Link to="/explorer/devices/$device" params={{ device: address }} className="link">
      {words}
    </Link>
  );
  if (!mine || !wallet) {
    return (
      <p>
        It is registered already, {page('as this device')}, and belongs to the provider{' '}
        <Link
          to="/explorer/providers/$provider"
          params={{ provider: data.provider }}
          className="link break-all font-mono"
        >
          {data.provider}
        </Link>
        . If that is you, connect the wallet it was registered with. One that no quorum attested within a day anybody
        can remove: <code className="break-all font-mono">io device evict {address}</code>
      </p>
    );
  }
  return (
    <div className="grid gap-3">
      <p>
        <Badge tone="good">registered</Badge> It is yours, {page('as this device')}. Its worker goes on by itself; what
        it does, and what is still wrong with it, is under{' '}
        <Link to="/worker" className="link">
          Devices
        </Link>
        .
      </p>
      {data.operator !== machine.operator && (
        <>
          <p className="text-warn">
            It was registered with another operator, <span className="break-all font-mono">{data.operator}</span>: the
            worker cannot act for it with the one above.
          </p>
          <Act
            wallet={wallet}
            variant="outline"
            build={() => setOperator(wallet.address, address, machine.operator)}
            tip="The one before answers for a day for what it signed; only then it can be changed again."
          >
            Take the operator above
          </Act>
        </>
      )}
    </div>
  );
}

function Register({ machine, terms: { classId, bond } }: { machine: Machine; terms: Terms }) {
  const { wallet, account } = useProvider();
  const tokens = useQuery(tokenBalanceQuery(wallet?.address ?? null, config().io_mint));
  const operator = useQuery(solBalanceQuery(machine.operator));
  const [chosen, setChosen] = useState<boolean | null>(null);
  if (!wallet) return <p>Connect the wallet that will own the stake and the earnings. It needs some SOL for fees.</p>;
  if (!bond) return <p>{bond === undefined ? 'Reading what the class needs…' : 'Correct the bond above first.'}</p>;
  const provider = account.data?.data;
  const whole = provider ? provider.staked + provider.coAssets : 0n;
  const free = provider && whole > provider.committed ? whole - provider.committed : 0n;
  const missing = bond > free ? bond - free : 0n;
  const poor = tokens.data !== undefined && tokens.data < missing;
  const give = chosen ?? (operator.data !== undefined && operator.data < FOR_FEES);
  const steps: ReactNode[] = [
    !provider && 'makes this wallet a provider, to which earnings go (the rent of two small accounts)',
    missing > 0n && (
      <>
        stakes <Amount base={missing} unit={IO} /> (free are {exact(free, IO)})
      </>
    ),
    <>
      registers the device, and binds <Amount base={bond} unit={IO} /> to it
    </>,
    give && <>gives its operator {exact(FOR_FEES, SOL)}</>,
  ].filter(Boolean);
  return (
    <div className="grid gap-3">
      <div>
        <p>One signature</p>
        <ul className="list-disc pl-5">
          {steps.map((step, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
            <li key={i}>{step}</li>
          ))}
        </ul>
      </div>
      <label className="flex items-start gap-2">
        <input
          type="checkbox"
          className="mt-0.5 size-4 accent-accent"
          checked={give}
          onChange={(event) => setChosen(event.target.checked)}
        />
        <span>
          Give the operator {exact(FOR_FEES, SOL)}: it pays the fees of accepting and submitting jobs. It holds{' '}
          {operator.data === undefined ? '…' : exact(operator.data, SOL)} now.
        </span>
      </label>
      <Act
        wallet={wallet}
        disabled={poor || [account.data, tokens.data, operator.data].includes(undefined)}
        build={() =>
          registerDevice(wallet.address, machine, {
            classId,
            bond,
            isProvider: provider !== undefined,
            missing,
            lamports: give ? FOR_FEES : 0n,
          })
        }
      >
        Register the device
      </Act>
      {poor && (
        <p className="text-bad">
          The wallet holds {exact(tokens.data ?? 0n, IO)}: {exact(missing, IO)} are missing for the bond.
        </p>
      )}
    </div>
  );
}
