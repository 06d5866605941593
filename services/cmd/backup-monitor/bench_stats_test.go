//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
)

// BenchmarkStatsForMany is how long 64 clients wait for the list of 1000
// outlets, each asking again as soon as it has it: when nothing happens, and
// while a scan of both modes runs at concurrency 8. Clients and program share
// the processor.
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
	c := statsClients{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}, url: p.base + "/api/v1/backup-stats"}
	defer c.client.CloseIdleConnections()
	c.signIn(b, p.base)
	for b.Loop() {
		c.measure(b, "idle", clients, window)
		scanning := make(chan struct{})
		go func() {
			defer close(scanning)
			p.scan(b, 2*outlets, events.Modes()...)
		}()
		c.measure(b, "scanning", clients, window)
		<-scanning
	}
	b.ReportMetric(0, "ns/op")
}

type statsClients struct {
	client     *http.Client
	url, token string
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
				if err := c.get(ctx); err != nil {
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

func (c *statsClients) get(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK || n < 100_000 {
		return fmt.Errorf("status %d, %d bytes, %w", res.StatusCode, n, err)
	}
	return nil
}
