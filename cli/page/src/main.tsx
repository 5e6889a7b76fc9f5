/* The page: wires core, view and ui. */
import { render } from 'preact';

render(<h1>scenesync</h1>, document.getElementById('app')!);
