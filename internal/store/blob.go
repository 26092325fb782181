package store

import "context"

// Blobs are bytes that rows and events name by their digest: documents the hub
// made, messages it sent.
type Blobs interface {
	// Blob returns the bytes an account keeps under a digest, nil when it has
	// none. What another account keeps under the same digest is not its own.
	Blob(ctx context.Context, account int64, digest [32]byte) ([]byte, error)
}

// Blob is a document or message of an account, kept under its SHA-256. It may
// have some MiB. An empty one comes back as none does.
type Blob struct {
	Account int64
	// Digest is the SHA-256 of Bytes. The caller computes it; no backend does so
	// again.
	Digest [32]byte
	Bytes  []byte
}
