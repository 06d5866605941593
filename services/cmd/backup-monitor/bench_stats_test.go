//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
)

// BenchmarkStatsForMany is how long 64 clients wait for the list of 1000
// outlets, each asking again as soon as it has it: when nothing happens, and
// while a scan of both modes runs at concurrency 8; as a browser asks, which takes
// gzip, and as a program that does not. Clients and program share the processor,
// and half a megabyte a list its memory: a server that does nothing but send as
// many bytes is measured beside it.
func BenchmarkStatsForMany(b *testing.B) {
	const outlets, clients, window = 1000, 64, 4 * time.Second
	o := distantOutlets(b, outlets, 20*time.Millisecond)
	lines := []string{"OutletCode,IPAddress,OutletName"}
	for i, address := range o.addresses {
		lines = append(lines, fmt.Sprintf("S%04d,%s,Shop %d", i, address, i))
	}
	p := startBenchPipeline(b, settings{
		"USER": o.user, "PASS": o.password, "PROBE_CONCURRENCY": "8", "PROBE_TIMEOUT": "60s", "OUTLETS_FILE": writeLines(b, lines),
	})
	p.scan(b, outlets)
	c := statsClients{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}}, url: p.base + "/api/v1/backup-stats"}
	defer c.client.CloseIdleConnections()
	c.signIn(b, p.base)
	bare := c
	bare.url = bareAnswer(b, c)
	packed := c
	packed.encoding = "gzip"
	for b.Loop() {
		bare.measure(b, "bare", clients, window)
		c.measure(b, "idle", clients, window)
		packed.measure(b, "idle-gzip", clients, window)
		scanning := make(chan struct{})
		go func() {
			defer close(scanning)
			p.scan(b, 2*outlets, events.Modes()...)
		}()
		c.measure(b, "scanning", clients, window)
		packed.measure(b, "scanning-gzip", clients, window)
		<-scanning
	}
	b.ReportMetric(0, "ns/op")
}

type statsClients struct {
	client     *http.Client
	url, token string
	encoding   string // that is accepted
}

// bareAnswer is the address of a server that sends as many bytes as the list has.
func bareAnswer(b *testing.B, c statsClients) string {
	b.Helper()
	size, err := c.get(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	list := make([]byte, size)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(list)))
		_, _ = w.Write(list) // fails only where the client has left
	}))
	b.Cleanup(bare.Close)
	return bare.URL
}

func (c *statsClients) signIn(b *testing.B, base string) {
	b.Helper()
	body, err := json.Marshal(map[string]string{"userId": testAdmin, "password": testPassword})
	if err != nil {
		b.Fatal(err)
	}
	res, err := c.client.Post(base+"/api/v1/auth/login", "application/json", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		b.Fatalf("signed in: %d, %v", res.StatusCode, err)
	}
	c.token = answer.Token
}

// measure has the clients ask for a time and reports how long they waited.
func (c *statsClients) measure(b *testing.B, name string, clients int, window time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), window)
	defer cancel()
	waits := make([][]time.Duration, clients)
	var asking sync.WaitGroup
	for i := range clients {
		asking.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				if _, err := c.get(ctx); err != nil {
					if ctx.Err() == nil {
						b.Error(err)
					}
					return
				}
				waits[i] = append(waits[i], time.Since(began))
			}
		})
	}
	asking.Wait()
	all := slices.Concat(waits...)
	slices.Sort(all)
	if len(all) == 0 {
		b.Fatal("nobody got an answer")
	}
	milli := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(milli(all[len(all)/2]), name+"-p50-ms")
	b.ReportMetric(milli(all[len(all)*99/100]), name+"-p99-ms")
	b.ReportMetric(float64(len(all))/window.Seconds(), name+"/s")
}

// get reads a list and gives its size.
func (c *statsClients) get(ctx context.Context) (size int64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if c.encoding != "" {
		r.Header.Set("Accept-Encoding", c.encoding)
	}
	res, err := c.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	size, err = io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != c.encoding || size < 10_000 {
		return size, fmt.Errorf("status %d, %d bytes in %q, %w", res.StatusCode, size, res.Header.Get("Content-Encoding"), err)
	}
	return size, nil
}
