package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
)

// Contents are what a stream is loaded with.
type Contents struct {
	First, Last uint64 // sequences that the stream is to have, gaps included
	Records     uint64
	// Next gives the records in the order of their sequences; io.EOF ends
	// them.
	Next func() (events.Record, error)
}

// Load makes a stream that has exactly these records, with their sequences and
// times, as if they had always been there. It must not exist. The stream's
// creation is now: it is another incarnation.
func (n *NATS) Load(config jetstream.StreamConfig, c Contents) error {
	var cfg server.StreamConfig
	b, err := json.Marshal(config)
	if err == nil {
		err = json.Unmarshal(b, &cfg)
	}
	if err != nil {
		return fmt.Errorf("load stream %s: %w", config.Name, err)
	}
	account, err := n.server.LookupAccount(server.DEFAULT_GLOBAL_ACCOUNT)
	if err != nil {
		return fmt.Errorf("load stream %s: %w", config.Name, err)
	}
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeSnapshot(w, c)
		written <- errors.Join(err, w.CloseWithError(err))
	}()
	_, err = account.RestoreStreamV2(&cfg, r)
	_ = r.Close() // never fails; what the server has not read is of no use
	if werr := <-written; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		err = werr // the reason of the server's
	}
	if err != nil {
		return fmt.Errorf("load stream %s: %w", config.Name, err)
	}
	return nil
}

// writeSnapshot writes what nats-server reads as the snapshot of a stream.
// Source: stream_backup.go of nats-server 2.15, streamSnapshotV2.
func writeSnapshot(to io.Writer, c Contents) (err error) {
	compressed := s2.NewWriter(to)
	defer func() { err = errors.Join(err, compressed.Close()) }()
	w := archive.NewWriter(compressed)
	state, err := json.Marshal(server.StreamState{FirstSeq: c.First, LastSeq: c.Last, Msgs: c.Records})
	if err != nil {
		return err
	}
	put := func(h archive.Header, parts ...[]byte) error {
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		for _, p := range parts {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
	if err := put(archive.Header{Name: "state.json", PayloadSize: int64(len(state))}, state); err != nil {
		return err
	}
	for {
		r, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		head := header(r.Header)
		err = put(archive.Header{
			Name: r.Subject, Timestamp: r.Stored.UnixNano(), Sequence: r.Seq,
			HeaderSize: int64(len(head)), PayloadSize: int64(len(r.Data)),
		}, head, r.Data)
		if err != nil {
			return err
		}
	}
	if err := put(archive.Header{}); err != nil { // the mark of the end
		return err
	}
	return w.Close()
}

// header writes the header of a message as it is stored.
// Source: NATS protocol, HPUB.
func header(h nats.Header) []byte {
	if len(h) == 0 {
		return nil
	}
	b := []byte("NATS/1.0\r\n")
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			b = fmt.Appendf(b, "%s: %s\r\n", name, v)
		}
	}
	return append(b, "\r\n"...)
}
