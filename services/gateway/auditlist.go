package gateway

import (
	"context"
	"strconv"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/audit"
)

// defaultEntries is how many entries of the audit trail come at once.
const defaultEntries = 100

// clockLeeway is how far a client's clock may be ahead.
const clockLeeway = time.Minute

type auditBody struct {
	Seq     uint64            `json:"seq"`
	ID      string            `json:"id"`
	Kind    events.AuditKind  `json:"kind"`
	Actor   string            `json:"actor"`
	Address string            `json:"address"`
	Object  string            `json:"object"`
	Details map[string]string `json:"details"`
	At      time.Time         `json:"at"`
}

// listAudit is the audit trail, newest first.
func (g *Gateway) listAudit(w *response, r *request) error {
	q := audit.Query{Actor: r.param("actor"), Object: r.param("object")}
	var err error
	if q.Kind, err = oneOf(r, "kind", events.AuditKinds()...); err != nil {
		return err
	}
	if q.Limit, err = r.number("limit", 1, defaultEntries); err != nil {
		return err
	}
	if q.Limit > audit.MaxEntries {
		return badRequest("Parameter %q: %d is over %d.", "limit", q.Limit, audit.MaxEntries)
	}
	if s := r.param("before"); s != "" {
		if q.Before, err = strconv.ParseUint(s, 10, 64); err != nil {
			return badRequest("Parameter %q: %q is no sequence.", "before", s)
		}
	}
	if s := r.param("since"); s != "" {
		if q.Since, err = time.Parse(time.RFC3339, s); err != nil {
			return badRequest("Parameter %q: %q is no time, as 2026-02-21T10:30:00Z.", "since", s)
		}
		if q.Since.After(g.cfg.Now().Add(clockLeeway)) {
			return badRequest("Parameter %q: %q is in the future.", "since", s)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	entries, err := audit.Newest(ctx, g.log, g.cfg.Now(), q)
	if err != nil {
		return logProblem(err)
	}
	data := make([]auditBody, len(entries))
	for i, e := range entries {
		details := e.Details
		if details == nil {
			details = map[string]string{}
		}
		data[i] = auditBody{e.Seq, e.ID, e.Kind, e.Actor, e.Address, e.Object, details, e.At}
	}
	return writeList(w, data, g.cfg.Now())
}
