// What the client learns from advisories.

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.advisory.AdvisorySupport;
import org.apache.activemq.advisory.ConsumerEvent;
import org.apache.activemq.advisory.ConsumerEventSource;
import org.apache.activemq.advisory.DestinationSource;
import org.apache.activemq.advisory.ProducerEvent;
import org.apache.activemq.advisory.ProducerEventSource;
import org.apache.activemq.command.ActiveMQMessage;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ConnectionInfo;

final class Advising {
    static void consumersAreCounted(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect();
        Session session = lab.auto();
        MessageConsumer early = session.createConsumer(lab.queue());
        ConsumerEventSource source = new ConsumerEventSource(connection, lab.queue());
        BlockingQueue<ConsumerEvent> events = new LinkedBlockingQueue<>();
        source.setConsumerListener(events::add);
        source.start();
        next(events, 1, true);
        MessageConsumer late = session.createConsumer(lab.queue());
        next(events, 2, true);
        early.close();
        next(events, 1, false);
        late.close();
        next(events, 0, false);
        source.stop();
    }

    private static void next(BlockingQueue<ConsumerEvent> events, int count, boolean started) throws Exception {
        ConsumerEvent event = events.poll(Lab.SOON, TimeUnit.MILLISECONDS);
        Lab.check(event != null, "an event comes");
        Lab.equal(count, event.getConsumerCount());
        Lab.equal(started, event.isStarted());
    }

    static void producersAreCounted(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect();
        ProducerEventSource source = new ProducerEventSource(connection, lab.queue());
        BlockingQueue<ProducerEvent> events = new LinkedBlockingQueue<>();
        source.setProducerListener(events::add);
        source.start();
        MessageProducer producer = lab.auto().createProducer(lab.queue());
        ProducerEvent begun = events.poll(Lab.SOON, TimeUnit.MILLISECONDS);
        Lab.check(begun != null && begun.isStarted(), "it has begun");
        Lab.equal(1, begun.getProducerCount());
        producer.close();
        ProducerEvent ended = events.poll(Lab.SOON, TimeUnit.MILLISECONDS);
        Lab.check(ended != null && !ended.isStarted(), "it has ended");
        source.stop();
    }

    static void queuesAreListed(Lab lab) throws Exception {
        Lab.send(lab.auto(), lab.queue("early"), "a");
        ActiveMQConnection connection = lab.connect();
        DestinationSource source = connection.getDestinationSource();
        ActiveMQQueue early = (ActiveMQQueue) lab.queue("early");
        Lab.eventually("the early one is listed", () -> source.getQueues().contains(early));
        Lab.send(lab.auto(), lab.queue("late"), "a");
        ActiveMQQueue late = (ActiveMQQueue) lab.queue("late");
        Lab.eventually("the late one is listed", () -> source.getQueues().contains(late));
        connection.destroyDestination(late);
        Lab.eventually("it is not listed any more", () -> !source.getQueues().contains(late));
    }

    static void connectionsAreToldOfWithoutTheirPasswords(Lab lab) throws Exception {
        MessageConsumer consumer =
                lab.auto().createConsumer(AdvisorySupport.getConnectionAdvisoryTopic());
        lab.named("told-of");
        ActiveMQMessage advisory;
        while ((advisory = (ActiveMQMessage) consumer.receive(Lab.SOON)) != null) {
            if (advisory.getDataStructure() instanceof ConnectionInfo info
                    && info.getClientId().equals("told-of")) {
                Lab.equal("", info.getPassword() == null ? "" : info.getPassword());
                Lab.check(advisory.getStringProperty("originBrokerId") != null, "it says whose it is");
                Lab.check(advisory.getStringProperty("originBrokerName") != null, "it says whose it is");
                return;
            }
        }
        throw new AssertionError("the connection is not told of");
    }

    private Advising() {}
}
