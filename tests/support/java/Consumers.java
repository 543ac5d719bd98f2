// How many consumers a broker has, those of advisories left out, and when the last one was registered.

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.activemq.advisory.AdvisorySupport;
import org.apache.activemq.broker.Broker;
import org.apache.activemq.broker.BrokerFilter;
import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.ConnectionContext;
import org.apache.activemq.broker.region.Subscription;
import org.apache.activemq.command.ConsumerInfo;

final class Consumers implements BrokerPlugin {
    private long count;
    private long lastNs;

    @Override
    public Broker installPlugin(Broker next) {
        return new BrokerFilter(next) {
            @Override
            public Subscription addConsumer(ConnectionContext context, ConsumerInfo info) throws Exception {
                Subscription subscription = super.addConsumer(context, info);
                if (!AdvisorySupport.isAdvisoryTopic(info.getDestination())) {
                    note(1);
                }
                return subscription;
            }

            @Override
            public void removeConsumer(ConnectionContext context, ConsumerInfo info) throws Exception {
                if (!AdvisorySupport.isAdvisoryTopic(info.getDestination())) {
                    note(-1);
                }
                super.removeConsumer(context, info);
            }
        };
    }

    synchronized ObjectNode toJson() {
        return Json.object().put("consumers", count).put("last_ns", lastNs);
    }

    private synchronized void note(int change) {
        count += change;
        if (change > 0) {
            lastNs = System.nanoTime();
        }
    }
}
