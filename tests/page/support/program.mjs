/* A verb of scenesync that runs until it is told to end, and says where it is by a JSON line. */

import { spawn, execFile } from 'node:child_process';
import { openSync, closeSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { call } from './http.mjs';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const PROGRAM = path.resolve(process.env.SCENESYNC ?? path.join(ROOT, 'build/release/scenesync'));
const LEAVE_MS = 15_000;

/* However this process ends, what it started ends too. */
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => process.exit(1));
}

export class Program {
    /* `log`: the file that takes what it says of trouble. */
    constructor(verb, args, log, environment) {
        this.verb = verb;
        this.args = args.map(String);
        this.log = log;
        this.environment = environment;
        this.http = '';
        this.url = '';
        this.token = undefined; /* of the calls of this test */
    }

    /* Resolves when it can be reached; started again it has the ports that it had. */
    start() {
        const errors = openSync(this.log, 'a');
        this.child = spawn(PROGRAM, [this.verb, ...this.args, '--json'], {
            stdio: ['ignore', 'pipe', errors], env: this.environment });
        closeSync(errors);
        let text = '';
        this.child.stdout.setEncoding('utf8');
        const { child } = this;
        running.add(child);
        this.ended = new Promise((resolve) => {
            child.once('exit', (code) => {
                running.delete(child);
                resolve(code);
            });
        });
        return new Promise((resolve, reject) => {
            this.child.once('exit', (code) => reject(new Error(`${this.verb} ended with ${code}: ${this.said()}`)));
            this.child.stdout.on('data', (piece) => {
                text += piece;
                const lines = text.split('\n');
                text = lines.pop();
                for (const line of lines) {
                    const event = JSON.parse(line);
                    if (event.event === 'ready') {
                        this.isReady(event);
                        resolve(this);
                    }
                }
            });
        });
    }

    isReady(event) {
        this.http = event.http;
        this.url = event.url ?? '';
        this.keep('--http', new URL(this.http).host);
        this.keep('--listen', this.url);
    }

    keep(option, value) {
        const at = this.args.indexOf(option) + 1;
        if (at > 0 && value && this.args[at].endsWith(':0')) {
            this.args[at] = value;
        }
    }

    get running() {
        return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
    }

    said() {
        return readFileSync(this.log, 'utf8').slice(-3000);
    }

    async kill() {
        this.child.kill('SIGKILL');
        await this.ended;
    }

    async stop() {
        if (this.running) {
            this.child.kill('SIGTERM');
            const late = setTimeout(() => this.child.kill('SIGKILL'), LEAVE_MS);
            await this.ended;
            clearTimeout(late);
        }
    }

    call(method, where, body) {
        return call(method, this.http + where, body, this.token);
    }

    async get(where) {
        const answer = await this.call('GET', where);
        if (answer.status !== 200) {
            throw new Error(`${where}: HTTP ${answer.status} ${answer.text.slice(0, 300)}`);
        }
        return answer.json;
    }

    status() {
        return this.get('/v1/status');
    }

    async snapshot() {
        return (await this.call('GET', '/v1/snapshot')).text;
    }
}

/* Run a verb to its end; what it printed. */
export function verb(environment, ...args) {
    return new Promise((resolve, reject) => {
        execFile(PROGRAM, args.map(String), { env: environment, maxBuffer: 1 << 26 }, (error, out, err) => {
            if (error) {
                reject(new Error(`${args.join(' ')}: ${err || error}`));
            } else {
                resolve(out);
            }
        });
    });
}
