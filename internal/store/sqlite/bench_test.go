package sqlite

import (
	"path/filepath"
	"testing"

	"greenlane/internal/store/storetest"
)

// BenchmarkAppend writes what the hub writes under load: see
// [storetest.BenchmarkAppend].
func BenchmarkAppend(b *testing.B) {
	storetest.BenchmarkAppend(b, open(b, filepath.Join(b.TempDir(), "bench.db")))
}
