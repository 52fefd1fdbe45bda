/** The provider's name and addresses. */

/** Name under which its prices and its fills are stored. */
export const PROVIDER = 'hyperliquid';

export type Network = 'testnet' | 'mainnet';

export type ProviderAddresses = {
  readonly network: Network;
  /** Base of `/info` and `/exchange`. */
  readonly apiUrl: string;
  readonly wsUrl: string;
};

const PUBLIC: Readonly<Record<Network, Omit<ProviderAddresses, 'network'>>> = {
  testnet: { apiUrl: 'https://api.hyperliquid-testnet.xyz', wsUrl: 'wss://api.hyperliquid-testnet.xyz/ws' },
  mainnet: { apiUrl: 'https://api.hyperliquid.xyz', wsUrl: 'wss://api.hyperliquid.xyz/ws' },
};

/** The addresses of a network; each can be replaced. */
export function providerAddresses(network: Network, apiUrl: string | null, wsUrl: string | null): ProviderAddresses {
  return { network, apiUrl: apiUrl ?? PUBLIC[network].apiUrl, wsUrl: wsUrl ?? PUBLIC[network].wsUrl };
}
