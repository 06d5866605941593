package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/system"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/recent"
	"backupmonitor/services/internal/scan"
	"backupmonitor/services/internal/store"
)

// scrapeTimeout bounds what a scrape asks of log and database.
const scrapeTimeout = 5 * time.Second

// figuresFor is how long all who scrape get the same figures: anybody may, as
// often as they like.
const figuresFor = time.Second

// exporter is /metrics. It names no outlet.
type exporter struct {
	http.Handler
	refused *prometheus.CounterVec // connections, by the bound that they were over
}

// newExporter reads from log and tables when it is scraped, so that the figures
// are those that everybody else sees. The zone says which day it is.
func newExporter(log *events.Log, tables tables, meter *capacity.Meter, zone *time.Location, logger *slog.Logger) *exporter {
	e := &exporter{refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "outletbackup_connections_refused_total",
		Help: "Connections closed because there were too many: in all, or of one address.",
	}, []string{"bound"})}
	for _, bound := range gateway.Bounds() {
		e.refused.WithLabelValues(string(bound))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), e.refused,
		&figures{log: log, store: tables, meter: meter, zone: zone, logger: logger},
	)
	e.Handler = shared(registry)
	return e
}

// shared has all who scrape within figuresFor get what was gathered once. Gathering
// takes no context: Collect bounds itself.
func shared(from prometheus.Gatherer) http.Handler {
	gathered := recent.New(figuresFor, func(context.Context) ([]*dto.MetricFamily, error) { return from.Gather() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get := func() ([]*dto.MetricFamily, error) { return gathered.Get(r.Context()) } //nolint:contextcheck // a Gatherer is given none
		promhttp.HandlerFor(prometheus.GathererFunc(get), promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// tables is what the figures need of a store.
type tables interface {
	Checkpoint(ctx context.Context) (store.Checkpoint, error)
	Summary(ctx context.Context, q store.Query) ([]store.DaySummary, error)
	ActiveOutlets(ctx context.Context) ([]store.Outlet, error)
	ParkedNotes(ctx context.Context) ([]string, error)
}

// figures implements prometheus.Collector.
type figures struct {
	log    *events.Log
	store  tables
	meter  *capacity.Meter
	zone   *time.Location
	logger *slog.Logger
}

// Describe implements prometheus.Collector: the figures describe themselves as
// they come, so that a source that is away takes its own with it alone.
func (f *figures) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (f *figures) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	for source, collect := range map[string]func(context.Context, chan<- prometheus.Metric) error{
		"log": f.ofLog, "tables": f.ofTables, "capacity": f.ofCapacity, "system": f.ofSystem,
	} {
		up := 1.0
		if err := collect(ctx, to); err != nil {
			up = 0
			f.logger.Debug("a scrape got nothing", slog.String("source", source), slog.Any("error", err))
		}
		gauge(to, "source_up", "Whether the source of other figures answered.", up, label{"source", source})
	}
}

func (f *figures) ofLog(ctx context.Context, to chan<- prometheus.Metric) error {
	id, err := f.log.Identity(ctx)
	if err != nil {
		return err
	}
	gauge(to, "log_last_sequence", "Sequence of the last event in the log.", float64(id.LastSeq))
	gauge(to, "log_bytes", "Size of the log before compression.", float64(id.Bytes))
	gauge(to, "log_fill_ratio", "Part of EVENTS_MAX_BYTES that is used; from 0.95 on no new scan starts.", scan.Fill(id))
	gauge(to, "log_missing_events", "Events that are missing in the log; more than 0 means damage.", float64(id.Missing))
	return nil
}

func (f *figures) ofCapacity(ctx context.Context, to chan<- prometheus.Metric) error {
	s, err := f.meter.State(ctx)
	if err != nil {
		return err
	}
	gauge(to, "log_events", "Events in the log.", float64(s.Events))
	gauge(to, "log_events_per_day", "Events stored a day, in the last week.", s.EventsPerDay)
	gauge(to, "log_bytes_per_day", "Growth of the log a day, in the last week, before compression.", s.BytesPerDay)
	if s.FullAt != nil {
		gauge(to, "full_timestamp_seconds", "When log or disk is full if all goes on like this.", float64(s.FullAt.Unix()), label{"limit", string(s.Limit)})
	}
	alarm := 0.0
	if s.Alarm != "" {
		alarm = 1
	}
	gauge(to, "capacity_alarm", "Whether the log is over 90 % full, or log or disk are full within 30 days.", alarm)
	if d := s.Disk; d != nil {
		gauge(to, "disk_log_bytes", "What the log takes of the disk.", float64(d.Log))
		gauge(to, "disk_tables_bytes", "What the database takes of the disk.", float64(d.Tables))
		gauge(to, "disk_free_bytes", "What is free on the disk of the log.", float64(d.Free))
		gauge(to, "disk_bytes_per_day", "What log and database take of the disk a day.", s.DiskBytesPerDay)
	}
	return nil
}

// ofSystem counts what keeps many outlets from being looked at. Who it is stands
// where one has to sign in.
func (f *figures) ofSystem(ctx context.Context, to chan<- prometheus.Metric) error {
	watch := system.New(time.Now)
	if _, err := watch.Load(ctx, f.log); err != nil {
		return err
	}
	count := map[system.Code]int{}
	for _, n := range watch.State().Notices {
		count[n.Code]++
	}
	gauge(to, "probers_offline", "Probers that reach no outlet at all.", float64(count[system.Offline]))
	gauge(to, "credentials_paused", "Accounts that are paused, so that they do not get locked; their outlets are not looked at.", float64(count[system.CredentialTripped]))
	gauge(to, "credentials_refused", "Accounts that one outlet has refused and the next is asked about.", float64(count[system.CredentialDoubted]))
	return nil
}

func (f *figures) ofTables(ctx context.Context, to chan<- prometheus.Metric) error {
	cp, err := f.store.Checkpoint(ctx)
	if err != nil {
		return err
	}
	outlets, err := f.store.ActiveOutlets(ctx)
	if err != nil {
		return err
	}
	gauge(to, "tables_sequence", "Sequence of the last event that the tables show.", float64(cp.Seq))
	parked, err := f.store.ParkedNotes(ctx)
	if err != nil {
		return err
	}
	gauge(to, "audit_parked_events", "Audit events in the outbox that cannot be read; more than 0 needs somebody to look.", float64(len(parked)))
	gauge(to, "outlets_active", "Outlets that full scans look at.", float64(len(outlets)))
	today := events.DateOf(time.Now(), f.zone) // a row of a later day would be the latest for good
	for _, m := range events.Modes() {
		days, err := f.store.Summary(ctx, store.Query{Mode: m, To: today, Limit: 1})
		if err != nil {
			return err
		}
		for _, d := range days {
			const help = "Outlets of the latest scan date by outcome."
			for outcome, n := range map[string]int{"successful": d.Successful, "failed": d.Failed - d.NotObserved, "not_observed": d.NotObserved} {
				gauge(to, "outlets", help, float64(n), label{"mode", string(m)}, label{"outcome", outcome})
			}
			day, err := time.Parse(time.DateOnly, string(d.ScanDate))
			if err != nil {
				return err
			}
			gauge(to, "latest_scan_date_timestamp_seconds", "The latest scan date, as its midnight in UTC.", float64(day.Unix()), label{"mode", string(m)})
		}
	}
	return nil
}

type label struct{ name, value string }

func gauge(to chan<- prometheus.Metric, name, help string, value float64, labels ...label) {
	names, values := make([]string, len(labels)), make([]string, len(labels))
	for i, l := range labels {
		names[i], values[i] = l.name, l.value
	}
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc("outletbackup_"+name, help, names, nil), prometheus.GaugeValue, value, values...)
}
