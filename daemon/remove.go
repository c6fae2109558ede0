package daemon

import (
	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// lookRemoved forgets a worker that an operator removes: once no agent lives
// under the name and nothing is left in its ledger. The transaction compares both.
func (l *loop) lookRemoved(w berth.WorkerID, ledger *berth.Ledger, was berth.Revision, b *builder) {
	in, mod := record[berth.Intent](l.view, intentKey(w))
	switch {
	case in == nil || !in.Remove || l.view.unreadable(intentKey(w)):
		return
	case ledger != nil && !ledger.Empty(), len(l.view.on[w]) > 0:
		return
	case b.ledgerWrite(w) != nil:
		l.timers.set(workerKey(w), b.now) // emptied by this plan: with the next one
		return
	case !l.mayAct(workerKey(w), l.share.ofWorker(w)):
		return
	}
	b.remove(berth.Removal{Worker: w, LedgerWas: was, IntentWas: mod})
	l.log.Info("worker removed", zap.String("worker", string(w)))
}
