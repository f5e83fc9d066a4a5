/** The one command that turns a machine into a device; who owns the stake signs for it elsewhere. Pure. */

/** Only what ends no string gets into the configuration: it is TOML, in a here-document that the shell does not read. */
function plain(text: string): string {
  if (!/^[A-Za-z0-9:/._\-[\]?=&%@~+']*$/.test(text)) throw new Error(`“${text}” cannot stand in a command`);
  return text;
}

/** As one word of a shell, whatever it holds. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** What stands where the network names nothing: to be replaced. */
export const NO_RPC = 'https://rpc.example.com';
export const NO_WS = 'wss://rpc.example.com';

export function commandFor(of: {
  /** Where this app is: the worker names a page of it. */
  app: string;
  region: string;
  oracles: readonly string[];
  rpcUrl: string | null;
  /** As the API says it; null when its operator names none. */
  wsUrl: string | null;
}): string {
  const rpc = plain(of.rpcUrl ?? NO_RPC);
  const ws = plain(of.wsUrl ?? NO_WS);
  const lines = [
    `oracles = [${of.oracles.map((oracle) => `"${plain(oracle)}"`).join(', ')}]`,
    `rpc_url = "${rpc}"`,
    `ws_url = "${ws}"`,
    'operator = "operator.json"',
    'data_dir = "io-worker"',
    ...(of.region ? [`region = "${plain(of.region)}"`] : []),
    '',
    '[engines.embed]',
    'ask = "50000000"',
    '[engines.wasm]',
    'ask = "100000"',
    '[engines.lease]',
    'ask = "100000000"',
  ];
  return [
    '[ -f operator.json ] || io keygen operator.json &&',
    `  cat > worker.toml <<'END' &&`,
    ...lines,
    'END',
    `  io worker run --config worker.toml --app ${quoted(of.app)}`,
  ].join('\n');
}
