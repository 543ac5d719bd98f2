// Ways to consume: selectors, prefetch, groups, exclusive, durable, priority, expiry, windows.

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import javax.jms.DeliveryMode;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.command.ActiveMQQueue;
import org.apache.activemq.command.ActiveMQTopic;

final class Consuming {
    private static void sendNumbered(Session session, javax.jms.Destination to, int count) throws Exception {
        MessageProducer producer = session.createProducer(to);
        for (int i = 0; i < count; i++) {
            TextMessage message = session.createTextMessage("m" + i);
            message.setIntProperty("n", i);
            message.setStringProperty("kind", i % 2 == 0 ? "even" : "odd");
            producer.send(message);
        }
        producer.close();
    }

    static void aSelectorOfAQueueLeavesTheRest(Lab lab) throws Exception {
        Session session = lab.auto();
        sendNumbered(session, lab.queue(), 10);
        MessageConsumer odd = session.createConsumer(lab.queue(), "kind = 'odd' AND n BETWEEN 2 AND 8");
        Lab.receives(odd, "m3", "m5", "m7");
        Lab.nothing(odd);
        Lab.receives(session.createConsumer(lab.queue()), "m0", "m1", "m2", "m4", "m6", "m8", "m9");
    }

    static void selectorsOfTopics(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageConsumer even = session.createConsumer(lab.topic(), "kind LIKE 'ev%'");
        MessageConsumer late = session.createConsumer(lab.topic(), "n > 3 AND missing IS NULL");
        sendNumbered(session, lab.topic(), 6);
        Lab.receives(even, "m0", "m2", "m4");
        Lab.nothing(even);
        Lab.receives(late, "m4", "m5");
    }

    static void aConsumerPullsWithPrefetch0(Lab lab) throws Exception {
        Session producing = lab.auto();
        Session session = lab.connect("jms.prefetchPolicy.all=0")
                .createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Lab.equal(null, consumer.receiveNoWait());
        Lab.equal(null, consumer.receive(100));
        sendNumbered(producing, lab.queue(), 3);
        Lab.equal("m0", Lab.text(consumer.receiveNoWait()));
        Lab.equal("m1", Lab.text(consumer.receive(Lab.SOON)));
        Lab.receives(lab.auto().createConsumer(lab.queue()), "m2");
        Thread later = new Thread(() -> {
            try {
                sendNumbered(producing, lab.queue(), 1);
            } catch (Exception failed) {
                failed.printStackTrace();
            }
        });
        MessageConsumer other = lab.auto().createConsumer(lab.queue("unused"));
        later.start();
        Message message = consumer.receive(Lab.SOON);
        if (message != null) {
            Lab.equal("m0", Lab.text(message));
        }
        later.join();
        other.close();
    }

    static void twoConsumersShareAQueue(Lab lab) throws Exception {
        Session a = lab.connect("jms.prefetchPolicy.all=1").createSession(false, Session.AUTO_ACKNOWLEDGE);
        Session b = lab.connect("jms.prefetchPolicy.all=1").createSession(false, Session.AUTO_ACKNOWLEDGE);
        Set<String> got = Collections.synchronizedSet(new HashSet<>());
        Map<String, Integer> by = Collections.synchronizedMap(new HashMap<>());
        // Neither is done with a message before the other has one as well.
        CyclicBarrier together = new CyclicBarrier(2);
        a.createConsumer(lab.queue()).setMessageListener(m -> count(m, "a", together, got, by));
        b.createConsumer(lab.queue()).setMessageListener(m -> count(m, "b", together, got, by));
        sendNumbered(lab.auto(), lab.queue(), 100);
        Lab.eventually("all have come", () -> got.size() == 100);
        Lab.equal(Map.of("a", 50, "b", 50), by);
    }

    private static void count(
            Message message, String who, CyclicBarrier together, Set<String> got, Map<String, Integer> by) {
        try {
            together.await(Lab.SOON, TimeUnit.MILLISECONDS);
            by.merge(who, 1, Integer::sum);
            got.add(Lab.text(message));
        } catch (Exception failed) {
            throw new IllegalStateException(failed);
        }
    }

    static void anExclusiveConsumerGetsAllUntilItCloses(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageConsumer plain = session.createConsumer(lab.queue());
        MessageConsumer exclusive = session.createConsumer(
                new ActiveMQQueue(lab.queue().getQueueName() + "?consumer.exclusive=true"));
        sendNumbered(session, lab.queue(), 4);
        Lab.receives(exclusive, "m0", "m1", "m2");
        Lab.nothing(plain);
        exclusive.close();
        Lab.receives(plain, "m3");
    }

    static void aConsumerOfAHigherPriorityIsServedFirst(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageConsumer low = session.createConsumer(lab.queue());
        MessageConsumer high = session.createConsumer(
                new ActiveMQQueue(lab.queue().getQueueName() + "?consumer.priority=5"));
        sendNumbered(session, lab.queue(), 3);
        Lab.receives(high, "m0", "m1", "m2");
        Lab.nothing(low);
    }

    static void aGroupHasOneConsumer(Lab lab) throws Exception {
        Session session = lab.auto();
        List<MessageConsumer> consumers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            consumers.add(lab.auto().createConsumer(lab.queue()));
        }
        MessageProducer producer = session.createProducer(lab.queue());
        for (int i = 0; i < 30; i++) {
            TextMessage message = session.createTextMessage("m" + i);
            message.setStringProperty("JMSXGroupID", "g" + i % 3);
            producer.send(message);
        }
        Map<String, Integer> owners = new HashMap<>();
        int got = 0;
        for (int i = 0; i < 3; i++) {
            Message message;
            while ((message = consumers.get(i).receive(Lab.NEVER)) != null) {
                String group = message.getStringProperty("JMSXGroupID");
                Integer before = owners.put(group, i);
                Lab.check(before == null || before == i, group + " has two owners");
                Lab.equal(before == null, message.getBooleanProperty("JMSXGroupFirstForConsumer"));
                got++;
            }
        }
        Lab.equal(30, got);
    }

    static void aSubscriberLeavesOutItsOwn(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.connect();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(lab.topic(), null, true);
        Lab.send(session, lab.topic(), "own");
        Lab.send(lab.auto(), lab.topic(), "other");
        Lab.receives(consumer, "other");
        Lab.nothing(consumer);
    }

    static void aDurableSubscriberGetsWhatCameWhileItWasAway(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.named("durable-client");
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createDurableSubscriber(lab.topic(), "s");
        Session producing = lab.auto();
        Lab.send(producing, lab.topic(), "here");
        Lab.receives(consumer, "here");
        connection.close();
        Lab.send(producing, lab.topic(), "away");
        connection = lab.named("durable-client");
        session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        consumer = session.createDurableSubscriber(lab.topic(), "s");
        Lab.receives(consumer, "away");
        Lab.nothing(consumer);
        Session same = session;
        Lab.refused(javax.jms.JMSException.class, () -> same.unsubscribe("s"));
        consumer.close();
        session.unsubscribe("s");
        Lab.refused(javax.jms.InvalidDestinationException.class, () -> same.unsubscribe("s"));
        Lab.send(producing, lab.topic(), "gone");
        Lab.nothing(session.createDurableSubscriber(lab.topic(), "s"));
    }

    static void aDurableSubscriberHasASelectorAndMayChangeIt(Lab lab) throws Exception {
        ActiveMQConnection connection = lab.named("durable-selector");
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        session.createDurableSubscriber(lab.topic(), "s", "kind = 'odd'", false).close();
        sendNumbered(session, lab.topic(), 4);
        MessageConsumer consumer = session.createDurableSubscriber(lab.topic(), "s", "kind = 'odd'", false);
        Lab.receives(consumer, "m1", "m3");
        consumer.close();
        sendNumbered(session, lab.topic(), 4);
        consumer = session.createDurableSubscriber(lab.topic(), "s", "kind = 'even'", false);
        Lab.nothing(consumer);
        sendNumbered(session, lab.topic(), 4);
        Lab.receives(consumer, "m0", "m2");
    }

    static void whatExpiresIsDead(Lab lab) throws Exception {
        Session session = lab.auto();
        MessageProducer producer = session.createProducer(lab.queue());
        producer.send(session.createTextMessage("short"), DeliveryMode.PERSISTENT, 4, 50);
        producer.send(session.createTextMessage("long"), DeliveryMode.PERSISTENT, 4, 600_000);
        Thread.sleep(100);
        Lab.receives(session.createConsumer(lab.queue()), "long");
        MessageConsumer dead = session.createConsumer(new ActiveMQQueue("ActiveMQ.DLQ"));
        Message letter = dead.receive(Lab.SOON);
        Lab.equal("short", Lab.text(letter));
        Lab.equal(0L, letter.getJMSExpiration());
    }

    static void aProducerWithAWindowGoesOn(Lab lab) throws Exception {
        Session session = lab.connect("jms.useAsyncSend=true&jms.producerWindowSize=4096")
                .createSession(false, Session.AUTO_ACKNOWLEDGE);
        sendNumbered(session, lab.queue(), 200);
        MessageConsumer consumer = session.createConsumer(lab.queue());
        for (int i = 0; i < 200; i++) {
            Lab.equal("m" + i, Lab.receive(consumer));
        }
    }

    static void aListenerGetsAllInOrder(Lab lab) throws Exception {
        Session session = lab.auto();
        List<String> got = Collections.synchronizedList(new ArrayList<>());
        session.createConsumer(lab.queue()).setMessageListener(message -> {
            try {
                got.add(Lab.text(message));
            } catch (Exception failed) {
                throw new IllegalStateException(failed);
            }
        });
        sendNumbered(lab.auto(), lab.queue(), 500);
        Lab.eventually("all have come", () -> got.size() == 500);
        for (int i = 0; i < 500; i++) {
            Lab.equal("m" + i, got.get(i));
        }
    }

    static void aTopicReachesEverybody(Lab lab) throws Exception {
        List<MessageConsumer> consumers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            consumers.add(lab.auto().createConsumer(new ActiveMQTopic(lab.topic().getTopicName())));
        }
        sendNumbered(lab.auto(), lab.topic(), 100);
        for (MessageConsumer consumer : consumers) {
            for (int i = 0; i < 100; i++) {
                Lab.equal("m" + i, Lab.receive(consumer));
            }
        }
    }

    private Consuming() {}
}
