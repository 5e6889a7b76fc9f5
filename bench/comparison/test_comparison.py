"""Results in, tables and plots out: what bench/compare tells of runs that were made up."""
import json
import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

import engines
import jobs
import plots
import records
import svg
import tables
import targets
import texts


def result(peer, workload, run=0, scale=1, **keys):
    return {'peer': peer, 'version': '1', 'workload': workload, 'scale': scale, 'run': run, 'cpu_s': 1.0, **keys}


def results_of(lines):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / 'made-up.jsonl'
        path.write_text('\n'.join(json.dumps(line) for line in lines))
        return records.Results(path)


def row_of(results, name):
    return next(row for row in targets.rows(results) if row[0].startswith(name))


class Plan(unittest.TestCase):
    def test_we_run_at_the_scale_of_each_peer(self):
        chosen = [engines.engine(n) for n in ('scenesync', 'yjs', 'loro')]
        plan = jobs.plan(chosen, jobs.selected_works(['w1-op']), 1, {'w1'})
        self.assertEqual([(j.engine.name, j.scale) for j in plan],
                         [('scenesync', 1), ('scenesync', 0.1), ('yjs', 1), ('loro', 0.1)])

    def test_what_takes_long_comes_last_and_in_order(self):
        chosen = [engines.engine(n) for n in ('scenesync', 'loro', 'yjs')]
        plan = jobs.plan(chosen, jobs.selected_works(['w2-op']), 0.1, {'w1', 'w2'})
        self.assertEqual([(j.engine.name, j.work.name) for j in plan],
                         [('scenesync', 'w1-op'), ('yjs', 'w1-op'), ('scenesync', 'w2-op'), ('yjs', 'w2-op'),
                          ('loro', 'w1-op'), ('loro', 'w2-op')])

    def test_a_workload_brings_what_it_reads(self):
        self.assertEqual([w.name for w in jobs.selected_works(['w45'])], ['w1-op', 'w45'])
        self.assertEqual([w.name for w in jobs.selected_works(['w1'])], ['w1-op', 'w1-batch'])

    def test_what_our_program_does_not_know_is_left_out(self):
        chosen = [engines.engine('scenesync')]
        self.assertEqual(jobs.plan(chosen, jobs.selected_works(['w9']), 1, {'w1'}), [])


class Figures(unittest.TestCase):
    def test_medians_and_spread(self):
        results = results_of([result('scenesync', 'W5-load', run, cpu_s=s) for run, s in enumerate((0.3, 0.1, 0.2))])
        self.assertEqual(row_of(results, 'W5 load')[3], '200 ms (100 ms to 300 ms)')
        self.assertEqual(row_of(results, 'W5 load')[6], 'missed')

    def test_a_ratio_is_of_one_round(self):
        lines = [result(peer, 'W1-update-op', run, ops_per_cpu_s=rate) for peer, run, rate in
                 (('scenesync', 0, 1300e3), ('json-joy', 0, 100e3), ('scenesync', 1, 700e3), ('json-joy', 1, 50e3))]
        self.assertEqual(row_of(results_of(lines), 'the same as a multiple')[3], '13.5 x (13 x to 14 x)')

    def test_the_best_peer_is_one_at_our_scale_whose_replicas_agree(self):
        lines = [result('scenesync', 'W3-merge-R2', ops_per_cpu_s=2e6, equal=True),
                 result('yjs', 'W3-merge-R2', ops_per_cpu_s=30e3, equal=True),
                 result('ywasm', 'W3-merge-R2', ops_per_cpu_s=90e3, equal=False),
                 result('loro', 'W3-merge-R2', scale=0.1, ops_per_cpu_s=50e3, equal=True)]
        self.assertEqual(row_of(results_of(lines), 'W3 merge of 2')[1], 'yjs 30 k')

    def test_states_that_differ_reach_nothing(self):
        results = results_of([result('scenesync', 'W3-merge-R2', ops_per_cpu_s=9e6, equal=False)])
        self.assertEqual(row_of(results, 'W3 merge of 2')[6], 'missed: states differ')

    def test_the_cheapest_of_several_encodings_is_told_whole(self):
        results = results_of([result('yjs', 'W4-full-v1', cpu_s=1.0, wire_bytes=30),
                              result('yjs', 'W4-full-v2', cpu_s=2.0, wire_bytes=20)])
        self.assertEqual(results.spread('W4-full-*', 'wire_bytes', 'yjs').median, 30)

    def test_texts(self):
        self.assertEqual([texts.rate(v) for v in (12, 78091, 1.02e6, 2e6)], ['12', '78.1 k', '1.02 M', '2 M'])
        self.assertEqual([texts.seconds(v) for v in (2, 0.0412, 88e-6)], ['2 s', '41.2 ms', '88 µs'])
        self.assertEqual([texts.size(v) for v in (62, 1435062, 20487495)], ['62 B', '1.44 MB', '20.5 MB'])


class Plots(unittest.TestCase):
    def test_axis_begins_and_ends_at_decades(self):
        axis = svg.Axis(700, 21.6e6, 0, 600)
        self.assertEqual(axis.ticks(), [10.0 ** p for p in range(2, 9)])
        self.assertEqual((axis.at(100), axis.at(1e8)), (0, 600))

    def test_they_are_xml(self):
        lines = [result('scenesync', 'W1-update-op', run, ops_per_cpu_s=1e6 + run, bytes_per_op=90, doc_bytes=9,
                        peak_rss=1 << 20) for run in range(3)]
        lines += [result('scenesync', f'W8-fields-{n}', ns_per_op=ns) for n, ns in ((1000, 300), (1000000, 900))]
        made = plots.all_plots(results_of(lines))
        self.assertEqual(sorted(made), ['growth.svg', 'sizes.svg', 'updates.svg'])  # no peers: no overview
        for text in made.values():
            xml.dom.minidom.parseString(text)


class Page(unittest.TestCase):
    def test_every_marker_of_the_page_has_its_tables(self):
        page = (engines.ROOT / 'docs' / 'BENCHMARKS.md').read_text(encoding='utf-8')
        for marker in tables.sections(results_of([])):
            self.assertIn(f'<!-- compare: {marker} -->\n', page)
            self.assertIn(f'<!-- end: {marker} -->', page)


if __name__ == '__main__':
    unittest.main()
