/* A way to a server that can be cut and mended.
 *
 *      browser or worker ── relay ── worker
 *
 * `port` is known before the server is, so that it can be told under which name it is called. */

import net from 'node:net';

export class Relay {
    /* `host`:`port` is where it leads; may be set later. */
    constructor(port) {
        this.target = port;
        this.up = true;
        this.frozen = false;
        this.links = true; /* false: pages come through, WebSockets do not */
        this.pairs = new Set();
    }

    /* Two ports in a row, as peers want them (requests, publications), or one. */
    async open(count = 1) {
        for (;;) {
            const servers = [];
            try {
                let port = 0;
                for (let i = 0; i < count; ++i) {
                    const server = net.createServer((near) => this.carry(near, i));
                    await new Promise((resolve, reject) => {
                        server.once('error', reject);
                        server.listen(port === 0 ? 0 : port + i, '127.0.0.1', resolve);
                    });
                    servers.push(server);
                    port ||= server.address().port;
                }
                this.servers = servers;
                this.port = port;
                return this;
            } catch {
                servers.forEach((server) => server.close());
            }
        }
    }

    carry(near, index) {
        near.on('error', () => near.destroy());
        if (!this.up) {
            near.destroy();
            return;
        }
        if (this.frozen) {
            this.pairs.add({ near, far: near });
            near.pause();
            return;
        }
        near.once('data', (first) => {
            if (!this.links && first.toString('latin1').startsWith('GET /renderer')) {
                near.destroy();
                return;
            }
            const far = net.connect(this.target + index, '127.0.0.1');
            const pair = { near, far };
            this.pairs.add(pair);
            const end = () => {
                this.pairs.delete(pair);
                near.destroy();
                far.destroy();
            };
            for (const socket of [near, far]) {
                socket.on('error', end);
                socket.on('close', end);
            }
            far.write(first);
            near.pipe(far);
            far.pipe(near);
        });
    }

    /* Nobody comes through any more, and who was is cut off. */
    cut() {
        this.up = false;
        this.drop();
    }

    /* Pages load, links do not. */
    cutLinks() {
        this.links = false;
        this.drop();
    }

    /* As a cable that is pulled: nothing comes through, and nobody is told. */
    freeze() {
        this.frozen = true;
        for (const { near, far } of this.pairs) {
            near.unpipe(far);
            far.unpipe(near);
            near.pause();
            far.pause();
        }
    }

    mend() {
        this.up = true;
        this.links = true;
        if (this.frozen) {
            this.frozen = false;
            this.drop();
        }
    }

    drop() {
        for (const { near, far } of [...this.pairs]) {
            near.destroy();
            far.destroy();
        }
    }

    close() {
        this.cut();
        this.servers?.forEach((server) => server.close());
    }
}
