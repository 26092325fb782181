package greenlane_test

import "pgregory.net/rapid"

// shared makes a generator safe for tests that run in parallel: rapid writes a
// generator's name into it when the name is first asked for.
func shared[V any](g *rapid.Generator[V]) *rapid.Generator[V] {
	_ = g.String()
	return g
}
