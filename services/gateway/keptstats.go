package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"backupmonitor/services/gateway/answers"
	"backupmonitor/services/internal/store"
)

const (
	// keptMost is how much memory encoded lists may take, and keptLargest one of
	// them: that of some 10,000 outlets.
	keptMost    = 32 << 20
	keptLargest = 8 << 20
	// keptOverhead is about what a list takes besides its bytes.
	keptOverhead = 1 << 10
	// sendChunk is how much is sent within one writeTimeout: by a client of 35 kB
	// a second or more. In smaller parts many who read at once wait longer.
	sendChunk = 1 << 20
)

// encodedStats is a list of records, encoded once for all who ask for it while
// the tables stay as they are.
type encodedStats struct {
	records []byte // the envelope up to what follows the records
	tail    envelopeTail
	zipped  func() (gzipped, error) // of the records, packed when the first client asks for it
}

var errTooLarge = errors.New("the list is too large to keep")

// keptStats answers with a list that is kept, or is kept from now on: a whole
// day's, as every page and wall screen asks for it after each change. It tells
// whether it was sent; what is selected more finely is not kept.
func (g *Gateway) keptStats(w *response, r *request, q store.Query, began time.Time) (sent bool, err error) {
	if q.From != q.To || q.Outlet != "" || q.Limit != 0 || q.Offset != 0 {
		return false, nil
	}
	ctx := r.Context()
	seen, err := g.store.Checkpoint(ctx)
	if err != nil {
		return false, unavailable("The database", err)
	}
	list, err := g.kept.Get(ctx, q, seen, func(ctx context.Context) (answers.Answer[encodedStats], error) { return g.encodeStats(ctx, q) })
	switch {
	case errors.Is(err, answers.ErrTooMany), errors.Is(err, errTooLarge):
		return false, nil
	case err != nil:
		return false, err
	}
	rest, err := encodeTail(list.tail.at(began, g.cfg.Now()))
	if err != nil {
		return false, err
	}
	jsonHeader(w)
	records := list.records
	w.Header().Add("Vary", "Accept-Encoding")
	if takesGzip(r.Header) {
		z, err := list.zipped()
		if err != nil {
			return false, err
		}
		w.Header().Set("Content-Encoding", "gzip")
		records, rest = z.bytes, z.end(rest)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(records)+len(rest)))
	w.WriteHeader(http.StatusOK)
	return true, sendInParts(ctx, w, records, rest)
}

// sendInParts sends the parts of an answer, each within its own writeTimeout, for
// as long as ctx lasts.
func sendInParts(ctx context.Context, w *response, all ...[]byte) error {
	for _, one := range all {
		for part := range slices.Chunk(one, sendChunk) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := w.Write(part); err != nil {
				return fmt.Errorf("send the answer: %w", err)
			}
		}
	}
	return nil
}

// encodeStats reads the checkpoint before the tables, so that the list is of
// that checkpoint or later.
func (g *Gateway) encodeStats(ctx context.Context, q store.Query) (a answers.Answer[encodedStats], err error) {
	if a.Checkpoint, err = g.store.Checkpoint(ctx); err != nil {
		return a, unavailable("The database", err)
	}
	if q, err = g.withDates(ctx, q, nil); err != nil {
		return a, err
	}
	outlets, err := g.store.ActiveOutlets(ctx)
	if err != nil {
		return a, unavailable("The database", err)
	}
	var b boundedBuffer
	out := bufio.NewWriterSize(&b, chunk)
	if a.Value.tail, err = g.writeRecords(ctx, out, q, nil); err != nil {
		return a, err
	}
	if err := out.Flush(); err != nil {
		return a, err
	}
	a.Value.tail.Outlets = len(outlets)
	records := bytes.Clone(b.Bytes()) // without what it grew too large by
	a.Value.records, a.Value.zipped = records, sync.OnceValues(func() (gzipped, error) { return newGzipped(records) })
	if a.Value.tail.Count+a.Value.tail.AdvancedDateCount > 0 { // of days without records there are as many as anybody likes
		a.Size = 2*len(records) + keptOverhead // packed it is no larger
	}
	return a, nil
}

// boundedBuffer takes no more than keptLargest.
type boundedBuffer struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > keptLargest {
		return 0, errTooLarge
	}
	return b.Buffer.Write(p)
}
