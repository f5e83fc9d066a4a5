import { useEffect, useId, useRef, useState } from 'react';
import { shorten } from '@/shared/format';
import { Button } from '@/shared/ui/button';
import { choose, connect, disconnect, startWallets } from './store';
import { useWallets } from './use-wallet';

/** Connects, shows who is connected, changes accounts, disconnects. */
export function WalletButton() {
  const { available, connected, accounts, connecting, error } = useWallets();
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(startWallets, []);
  useEffect(() => {
    if (!open) return;
    const close = (event: Event) => {
      const outside =
        event instanceof KeyboardEvent ? event.key === 'Escape' : !box.current?.contains(event.target as Node);
      if (!outside) return;
      setOpen(false);
      if (event instanceof KeyboardEvent) box.current?.querySelector('button')?.focus();
    };
    document.addEventListener('pointerdown', close);
    document.addEventListener('keydown', close);
    return () => {
      document.removeEventListener('pointerdown', close);
      document.removeEventListener('keydown', close);
    };
  }, [open]);
  return (
    <div ref={box} className="relative">
      <Button
        variant={connected ? 'outline' : 'primary'}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
        data-testid="wallet"
      >
        {connected ? (
          <>
            <img src={connected.icon} alt="" width={16} height={16} className="rounded-sm" />
            <span className="font-mono text-xs">{shorten(connected.address)}</span>
          </>
        ) : connecting ? (
          'Connecting…'
        ) : (
          'Connect wallet'
        )}
      </Button>
      <div
        id={id}
        hidden={!open}
        className="absolute right-0 z-40 mt-2 w-72 rounded-xl border border-line bg-raised p-2 shadow-lg"
      >
        {connected ? (
          <>
            <p className="px-2 pt-1 pb-2 text-muted text-xs">{connected.name}</p>
            {accounts.length > 1 &&
              accounts.map((address) => (
                <button
                  type="button"
                  key={address}
                  className="menu-item font-mono"
                  aria-pressed={address === connected.address}
                  onClick={() => {
                    void choose(address);
                    setOpen(false);
                  }}
                >
                  {shorten(address, 6, 6)}
                  {address === connected.address && <span aria-hidden> ✓</span>}
                </button>
              ))}
            <button
              type="button"
              className="menu-item"
              onClick={() => navigator.clipboard.writeText(connected.address).then(() => setOpen(false))}
            >
              Copy address
            </button>
            <button
              type="button"
              className="menu-item"
              onClick={() => {
                void disconnect();
                setOpen(false);
              }}
            >
              Disconnect
            </button>
          </>
        ) : (
          <>
            {available.map((wallet) => (
              <button
                type="button"
                key={wallet.name}
                className="menu-item"
                disabled={connecting !== null}
                onClick={() => connect(wallet.name).then(() => setOpen(false))}
              >
                <img src={wallet.icon} alt="" width={20} height={20} className="rounded-sm" />
                {wallet.name}
              </button>
            ))}
            {available.length === 0 && (
              <p className="p-2 text-sm">
                No Solana wallet is installed in this browser. Install one (Phantom, Solflare, Backpack…), then reload
                this page. To look around you need none.
              </p>
            )}
          </>
        )}
        {error && (
          <p role="alert" className="p-2 text-bad text-sm">
            {error.message}. {error.hint}
          </p>
        )}
      </div>
    </div>
  );
}
