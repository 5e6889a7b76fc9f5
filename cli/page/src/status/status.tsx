/* The status page: how the replicas of a scene are. */
import { render } from 'preact';

render(<h1>Status</h1>, document.getElementById('app')!);
