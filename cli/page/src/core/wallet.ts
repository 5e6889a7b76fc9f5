/* Signing what is published: with a wallet in the browser (EIP-1193, `window.ethereum`).
 *
 * The chain has two links, the account and its signature of the entity's id: ADR-45. */

import type { Json } from './types.ts';

export interface Wallet {
    request(call: { readonly method: string; readonly params?: readonly Json[] }): Promise<unknown>;
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;
const SIGNATURE = /^0x[0-9a-fA-F]{2,}$/;

function hex(text: string): string {
    const bytes = new TextEncoder().encode(text);
    return '0x' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function ask(wallet: Wallet, method: string, params: readonly Json[]): Promise<unknown> {
    try {
        return await wallet.request({ method, params });
    } catch (error) {
        const said = error instanceof Error ? error.message
            : error !== null && typeof error === 'object' && 'message' in error ? String(error.message) : '';
        throw new Error(said === '' ? 'The wallet refused.' : `The wallet refused: ${said}`);
    }
}

/* The chain that confirms a publication of `text`. Errors: an Error for people. */
export async function signWith(wallet: Wallet, text: string): Promise<Json> {
    const accounts = await ask(wallet, 'eth_requestAccounts', []);
    const account: unknown = Array.isArray(accounts) ? accounts[0] : undefined;
    if (typeof account !== 'string' || !ADDRESS.test(account)) {
        throw new Error('The wallet has no account to sign with.');
    }
    const signature = await ask(wallet, 'personal_sign', [hex(text), account]);
    if (typeof signature !== 'string' || !SIGNATURE.test(signature)) {
        throw new Error('The wallet gave no signature.');
    }
    return [{ type: 'SIGNER', payload: account, signature: '' },
            { type: 'ECDSA_SIGNED_ENTITY', payload: text, signature }];
}
