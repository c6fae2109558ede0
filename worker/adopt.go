package worker

import "go.uber.org/zap"

// adopt takes the containers of a former agent for this one's own. What is to be
// done about them is decided when the watch has told their allocations.
func (e *epoch) adopt() {
	for _, a := range e.reg.adopted {
		if a.Epoch != e.number {
			e.log.Error("a container of another epoch was left and is killed", zap.String("request", string(a.Request)), zap.Int64("attempt", a.Attempt))
			a.Container.Kill()
		}
		t := &task{
			id: a.Request, attempt: a.Attempt, former: e.current[a.Request],
			startedAt: a.StartedAt, stopIn: a.StopTimeout, keep: a.Keep,
		}
		e.tasks[t.key()], e.current[t.id] = t, t
		select {
		case <-a.Container.Done():
			t.end(a.Container.Exit())
		default:
			e.supervise(t, a.Container)
		}
	}
	if len(e.reg.adopted) > 0 {
		e.w.opts.Runtime.Renew(e.number, e.deadline())
	}
}
