/** The one command that turns a machine into a device. Pure. */

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

/** IO base units as the command line takes them. */
export function ioText(base: bigint): string {
  const fraction = (base % 100_000_000n).toString().padStart(8, '0').replace(/0+$/, '');
  return `${base / 100_000_000n}${fraction && `.${fraction}`}`;
}

export function commandFor(of: {
  classId: number;
  bond: bigint;
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
    `  io -u ${quoted(rpc)} -k authority.json device register --class ${of.classId} --operator-key operator.json --bond ${ioText(of.bond)} &&`,
    '  io worker run --config worker.toml',
  ].join('\n');
}
