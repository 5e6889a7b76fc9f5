/* Signing what is published. */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Json } from '../../../cli/page/src/core/types.ts';
import { signWith, type Wallet } from '../../../cli/page/src/core/wallet.ts';

const ACCOUNT = '0x' + '1a'.repeat(20);
const SIGNATURE = '0x' + 'ab'.repeat(65);

function walletOf(answers: { [method: string]: unknown }, calls: [string, readonly Json[]][] = []): Wallet {
    return {
        async request({ method, params }) {
            calls.push([method, params ?? []]);
            const answer = answers[method];
            if (answer instanceof Error || (answer !== null && typeof answer === 'object' && 'code' in answer)) {
                throw answer;
            }
            return answer;
        },
    };
}

test('the chain: who, and the signature of the text', async () => {
    const calls: [string, readonly Json[]][] = [];
    const chain = await signWith(walletOf({ eth_requestAccounts: [ACCOUNT, '0xother'], personal_sign: SIGNATURE }, calls), 'bafk');
    assert.deepEqual(chain, [{ type: 'SIGNER', payload: ACCOUNT, signature: '' },
                             { type: 'ECDSA_SIGNED_ENTITY', payload: 'bafk', signature: SIGNATURE }]);
    assert.deepEqual(calls, [['eth_requestAccounts', []], ['personal_sign', ['0x6261666b', ACCOUNT]]]);
});

test('what a wallet may say instead', async () => {
    const refused = { code: 4001, message: 'User rejected the request.' };
    await assert.rejects(signWith(walletOf({ eth_requestAccounts: refused }), 'x'), /The wallet refused: User rejected/);
    await assert.rejects(signWith(walletOf({ eth_requestAccounts: [ACCOUNT], personal_sign: new Error('locked') }), 'x'), /refused: locked/);
    for (const accounts of [[], null, 'no', [7], ['0x12'], [`${ACCOUNT}\n`]]) {
        await assert.rejects(signWith(walletOf({ eth_requestAccounts: accounts, personal_sign: SIGNATURE }), 'x'), /no account/);
    }
    for (const signature of [null, '', '0x', 'abcd', `${SIGNATURE} `]) {
        await assert.rejects(signWith(walletOf({ eth_requestAccounts: [ACCOUNT], personal_sign: signature }), 'x'), /no signature/);
    }
});
