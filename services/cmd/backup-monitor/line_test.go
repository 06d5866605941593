//go:build e2e

package main

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// startLine puts a line before each address: what goes through it, either way,
// arrives half of the round trip later, and nothing is held back otherwise. It
// returns the addresses at the near end.
func startLine(b *testing.B, addresses []string, roundTrip time.Duration) []string {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var lines sync.WaitGroup
	near := make([]string, len(addresses))
	for i, far := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		near[i] = l.Addr().String()
		lines.Go(func() {
			<-ctx.Done()
			_ = l.Close()
		})
		lines.Go(func() {
			for {
				a, err := l.Accept()
				if err != nil {
					return
				}
				lines.Go(func() { carry(ctx, a, far, roundTrip/2) })
			}
		})
	}
	b.Cleanup(func() { cancel(); lines.Wait() })
	return near
}

func carry(ctx context.Context, a net.Conn, far string, delay time.Duration) {
	z, err := net.Dial("tcp", far)
	if err != nil {
		_ = a.Close()
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = a.Close(); _ = z.Close() })
	defer stop()
	var ways sync.WaitGroup
	ways.Go(func() { oneWay(z, a, delay) })
	ways.Go(func() { oneWay(a, z, delay) })
	ways.Wait()
}

type parcel struct {
	due  time.Time
	data []byte
}

// oneWay ends both connections when its source has ended.
func oneWay(to, from net.Conn, delay time.Duration) {
	under := make(chan parcel, 64)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(under)
		for {
			p := make([]byte, 16<<10)
			n, err := from.Read(p)
			if n > 0 {
				under <- parcel{due: time.Now().Add(delay), data: p[:n]}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range under {
		<-time.After(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			_ = from.Close()
		}
	}
	reader.Wait()
	_ = to.Close()
	_ = from.Close()
}
