/* What may be typed into a field for numbers: `2.5`, `3/4 + 1`, and `+=0.5`, `-=`, `*=`, `/=`
 * for something done to each of the values that are there. */

const TOKEN = /\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[-+*/()])/y;
const LENGTH_MAX = 100;

/* What the text makes of a number; null: it is no such text. */
export function readNumber(text: string): ((old: number) => number) | null {
    const clean = text.trim().replace(/,(?=\d)/g, '.');
    if (clean === '' || clean.length > LENGTH_MAX) {
        return null;
    }
    const relative = /^([-+*/])=(.*)$/.exec(clean);
    const value = evaluate(relative ? relative[2]! : clean);
    if (value === null) {
        return null;
    }
    switch (relative?.[1]) {
        case '+':
            return (old) => old + value;
        case '-':
            return (old) => old - value;
        case '*':
            return (old) => old * value;
        case '/':
            return value === 0 ? null : (old) => old / value;
        default:
            return () => value;
    }
}

function evaluate(text: string): number | null {
    const tokens: string[] = [];
    TOKEN.lastIndex = 0;
    for (let at = 0; at < text.trimEnd().length; at = TOKEN.lastIndex) {
        const found = TOKEN.exec(text);
        if (!found) {
            return null;
        }
        tokens.push(found[1]!);
    }
    let at = 0;
    const factor = (): number => {
        const token = tokens[at++];
        if (token === '-') {
            return -factor();
        }
        if (token === '+') {
            return factor();
        }
        if (token === '(') {
            const inner = sum();
            return tokens[at++] === ')' ? inner : NaN;
        }
        return token === undefined ? NaN : Number(token);
    };
    const product = (): number => {
        let value = factor();
        while (tokens[at] === '*' || tokens[at] === '/') {
            value = tokens[at++] === '*' ? value * factor() : value / factor();
        }
        return value;
    };
    const sum = (): number => {
        let value = product();
        while (tokens[at] === '+' || tokens[at] === '-') {
            value = tokens[at++] === '+' ? value + product() : value - product();
        }
        return value;
    };
    const value = sum();
    return at === tokens.length && Number.isFinite(value) ? value : null;
}

/* As few digits as tell it: 3 behind the point, and none that are naught. */
export function writeNumber(value: number, digits = 3): string {
    if (!Number.isFinite(value)) {
        return '';
    }
    const rounded = Number(value.toFixed(digits));
    return rounded === 0 && value !== 0 ? String(Number(value.toPrecision(3))) : String(rounded === 0 ? 0 : rounded);
}
