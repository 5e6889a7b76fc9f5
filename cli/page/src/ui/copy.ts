/* Text to the clipboard. Pages that are not secure (plain http beyond this machine) have only
 * the old way. */
export async function copyText(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const before = document.activeElement;
        const area = document.createElement('textarea');
        area.value = text;
        area.className = 'unseen';
        (document.querySelector('dialog[open]') ?? document.body).append(area);
        area.select();
        const done = document.execCommand('copy');
        area.remove();
        if (before instanceof HTMLElement) {
            before.focus();
        }
        return done;
    }
}
