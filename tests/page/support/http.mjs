/* One HTTP call on a connection of its own. */

import http from 'node:http';

export function call(method, url, body, token, headers = {}) {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
        const request = http.request(url, { method, agent: false, headers: {
            ...headers,
            ...(token ? { Authorization: `Bearer ${token}` } : {}),
            ...(bytes ? { 'Content-Type': 'application/json', 'Content-Length': bytes.length } : {}),
        } }, (answer) => {
            const pieces = [];
            answer.on('data', (piece) => pieces.push(piece));
            answer.on('error', reject);
            answer.on('end', () => {
                const all = Buffer.concat(pieces);
                resolve({
                    status: answer.statusCode, headers: answer.headers, bytes: all,
                    get text() { return all.toString('utf8'); },
                    get json() { return JSON.parse(this.text); },
                });
            });
        });
        request.on('error', reject);
        request.end(bytes);
    });
}
