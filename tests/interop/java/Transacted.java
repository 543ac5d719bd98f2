// Local and XA transactions.

import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import javax.jms.XASession;
import javax.transaction.xa.XAException;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;
import org.apache.activemq.ActiveMQXAConnection;
import org.apache.activemq.ActiveMQXAConnectionFactory;

final class Transacted {
    static void aCommitSendsAll(Lab lab) throws Exception {
        Session session = lab.transacted();
        MessageConsumer consumer = lab.auto().createConsumer(lab.queue());
        Lab.send(session, lab.queue(), "a", "b");
        Lab.nothing(consumer);
        session.commit();
        Lab.receives(consumer, "a", "b");
    }

    static void aRollbackSendsNothing(Lab lab) throws Exception {
        Session session = lab.transacted();
        Lab.send(session, lab.queue(), "a");
        session.rollback();
        Lab.send(session, lab.queue(), "b");
        session.commit();
        MessageConsumer consumer = lab.auto().createConsumer(lab.queue());
        Lab.receives(consumer, "b");
        Lab.nothing(consumer);
    }

    static void aCommitConsumesAndARollbackDeliversAgain(Lab lab) throws Exception {
        Session session = lab.transacted();
        Lab.send(session, lab.queue(), "a", "b");
        session.commit();
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Lab.receives(consumer, "a", "b");
        session.rollback();
        Message again = consumer.receive(Lab.SOON);
        Lab.equal("a", Lab.text(again));
        Lab.check(again.getJMSRedelivered(), "it came before");
        Lab.receives(consumer, "b");
        session.commit();
        session.close();
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void whatWasNotCommittedComesAgainToAnother(Lab lab) throws Exception {
        Session session = lab.transacted();
        Lab.send(session, lab.queue(), "a", "b");
        session.commit();
        Lab.receives(session.createConsumer(lab.queue()), "a");
        session.close();
        Lab.receives(lab.auto().createConsumer(lab.queue()), "a", "b");
    }

    static void manyMessagesInOneTransaction(Lab lab) throws Exception {
        Session session = lab.connect("jms.prefetchPolicy.all=10")
                .createSession(true, Session.SESSION_TRANSACTED);
        for (int i = 0; i < 200; i++) {
            Lab.send(session, lab.queue(), "m" + i);
        }
        session.commit();
        MessageConsumer consumer = session.createConsumer(lab.queue());
        for (int i = 0; i < 200; i++) {
            Lab.equal("m" + i, Lab.receive(consumer));
        }
        session.commit();
        session.close();
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void topicsAndQueuesInOneTransaction(Lab lab) throws Exception {
        Session receiving = lab.auto();
        MessageConsumer ofTopic = receiving.createConsumer(lab.topic());
        MessageConsumer ofQueue = receiving.createConsumer(lab.queue());
        Session session = lab.transacted();
        Lab.send(session, lab.topic(), "t");
        Lab.send(session, lab.queue(), "q");
        Lab.nothing(ofTopic);
        session.commit();
        Lab.receives(ofTopic, "t");
        Lab.receives(ofQueue, "q");
    }

    /** A transaction of a transaction manager. */
    record Id(String name) implements Xid {
        @Override
        public int getFormatId() {
            return 77;
        }

        @Override
        public byte[] getGlobalTransactionId() {
            return name.getBytes();
        }

        @Override
        public byte[] getBranchQualifier() {
            return new byte[] {1, 2};
        }
    }

    private static ActiveMQXAConnection xa(Lab lab) throws Exception {
        ActiveMQXAConnection connection =
                (ActiveMQXAConnection) new ActiveMQXAConnectionFactory(lab.uri).createXAConnection();
        connection.start();
        return connection;
    }

    private static boolean isInDoubt(XAResource resource, Xid wanted) throws XAException {
        for (Xid xid : resource.recover(XAResource.TMSTARTRSCAN | XAResource.TMENDRSCAN)) {
            if (java.util.Arrays.equals(xid.getGlobalTransactionId(), wanted.getGlobalTransactionId())) {
                return true;
            }
        }
        return false;
    }

    static void aBranchVotesAndCommits(Lab lab) throws Exception {
        ActiveMQXAConnection connection = xa(lab);
        XASession session = connection.createXASession();
        XAResource resource = session.getXAResource();
        Id id = new Id("commits");
        resource.start(id, XAResource.TMNOFLAGS);
        Lab.send(session, lab.queue(), "a");
        resource.end(id, XAResource.TMSUCCESS);
        Lab.equal(XAResource.XA_OK, resource.prepare(id));
        Lab.check(isInDoubt(resource, id), "it waits for its manager");
        MessageConsumer consumer = lab.auto().createConsumer(lab.queue());
        Lab.nothing(consumer);
        resource.commit(id, false);
        Lab.receives(consumer, "a");
        Lab.check(!isInDoubt(resource, id), "it is decided");
        connection.close();
    }

    static void aBranchCommitsInOnePhase(Lab lab) throws Exception {
        ActiveMQXAConnection connection = xa(lab);
        XASession session = connection.createXASession();
        XAResource resource = session.getXAResource();
        Id id = new Id("one phase");
        Lab.send(lab.auto(), lab.queue(), "a");
        resource.start(id, XAResource.TMNOFLAGS);
        MessageConsumer consumer = session.createConsumer(lab.queue());
        Lab.receives(consumer, "a");
        resource.end(id, XAResource.TMSUCCESS);
        resource.commit(id, true);
        connection.close();
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void aPreparedBranchIsRolledBackByAnotherConnection(Lab lab) throws Exception {
        ActiveMQXAConnection connection = xa(lab);
        XASession session = connection.createXASession();
        XAResource resource = session.getXAResource();
        Id id = new Id("rolled back");
        resource.start(id, XAResource.TMNOFLAGS);
        Lab.send(session, lab.queue(), "a");
        resource.end(id, XAResource.TMSUCCESS);
        resource.prepare(id);
        connection.close();
        ActiveMQXAConnection other = xa(lab);
        XAResource manager = other.createXASession().getXAResource();
        Lab.check(isInDoubt(manager, id), "it has outlived its connection");
        manager.rollback(id);
        Lab.check(!isInDoubt(manager, id), "it is decided");
        other.close();
        Lab.nothing(lab.auto().createConsumer(lab.queue()));
    }

    static void aBranchThatDidNothingIsReadOnly(Lab lab) throws Exception {
        ActiveMQXAConnection connection = xa(lab);
        XAResource resource = connection.createXASession().getXAResource();
        Id id = new Id("nothing");
        resource.start(id, XAResource.TMNOFLAGS);
        resource.end(id, XAResource.TMSUCCESS);
        Lab.equal(XAResource.XA_RDONLY, resource.prepare(id));
        connection.close();
    }

    private Transacted() {}
}
