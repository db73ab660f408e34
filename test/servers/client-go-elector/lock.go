package main

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// toldLock is a lock of client-go whose writes are told, and whose records are remembered for their term.
type toldLock struct {
	resourcelock.Interface
	mutex sync.Mutex
	seen  resourcelock.LeaderElectionRecord
	held  int
}

func (l *toldLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil {
		l.mutex.Lock()
		l.seen = *record
		l.mutex.Unlock()
	}
	return record, raw, err
}

func (l *toldLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(record, func() error { return l.Interface.Create(ctx, record) })
}

func (l *toldLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(record, func() error { return l.Interface.Update(ctx, record) })
}

func (l *toldLock) write(record resourcelock.LeaderElectionRecord, send func() error) error {
	told := fields{"op": kindOf(record), "record": shown(record)}
	tell("sending", told)
	err := send()
	switch {
	case err == nil:
		if record.HolderIdentity != "" {
			l.mutex.Lock()
			l.held = record.LeaderTransitions
			l.mutex.Unlock()
		}
		tell("applied", told)
	case errors.IsConflict(err) || errors.IsAlreadyExists(err):
		tell("lostRace", told)
	default:
		tell("trouble", fields{"where": "write", "message": err.Error()})
	}
	return err
}

// term is the number of transitions in the last record that this candidate wrote as its holder.
func (l *toldLock) term() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.held
}

func (l *toldLock) lastSeen() resourcelock.LeaderElectionRecord {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.seen
}

func kindOf(record resourcelock.LeaderElectionRecord) string {
	if record.HolderIdentity == "" {
		return "release"
	}
	if record.AcquireTime.Equal(&record.RenewTime) {
		return "acquire"
	}
	return "renew"
}

// shown is the record as our own candidates tell it.
func shown(record resourcelock.LeaderElectionRecord) fields {
	const micro = "2006-01-02T15:04:05.000000Z"
	told := fields{
		"holderIdentity":       record.HolderIdentity,
		"leaseDurationSeconds": record.LeaseDurationSeconds,
		"acquireTime":          utc(record.AcquireTime.Time, micro),
		"renewTime":            utc(record.RenewTime.Time, micro),
		"leaderTransitions":    record.LeaderTransitions,
	}
	if record.Strategy != "" {
		told["strategy"] = record.Strategy
	}
	if record.PreferredHolder != "" {
		told["preferredHolder"] = record.PreferredHolder
	}
	return told
}

func utc(at time.Time, layout string) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(layout)
}
